// SPDX-License-Identifier: GPL-2.0-only
/*
 * MACsec, the driver's half: the device's tables of SecYs, of the channels that
 * they receive, and of keys. All is changed under RTNL, and what leaves a table
 * is freed when the device is done with it.
 */
#include <crypto/aead.h>
#include <linux/jhash.h>
#include <linux/rculist.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/dst_metadata.h>

#include "aead.h"
#include "macsec.h"

/**
 * ppnic_rx_sc_bucket() - where a channel is in ppnic_macsec.rx_scs
 * @sci: of the channel
 *
 * Context: any.
 * Return: the bucket.
 */
u32 ppnic_rx_sc_bucket(sci_t sci)
{
	return jhash(&sci, sizeof(sci), 0) % PPNIC_RX_SC_BUCKETS;
}

/**
 * ppnic_secy_find() - the SecY that sends by an SCI
 * @macsec: the port's
 * @sci: the SCI
 *
 * Context: RTNL, or under RCU.
 * Return: the SecY or NULL.
 */
struct ppnic_secy *ppnic_secy_find(struct ppnic_macsec *macsec, sci_t sci)
{
	struct ppnic_secy *secy;
	unsigned long id;

	xa_for_each(&macsec->secys, id, secy)
		if (secy->sci == sci)
			return secy;
	return NULL;
}

/**
 * ppnic_rx_sc_find() - a channel of a SecY
 * @macsec: the port's
 * @secy: the SecY; another one may receive the same channel
 * @sci: of the channel
 *
 * Context: RTNL.
 * Return: the channel or NULL.
 */
struct ppnic_rx_sc *ppnic_rx_sc_find(struct ppnic_macsec *macsec,
				     const struct ppnic_secy *secy, sci_t sci)
{
	struct ppnic_rx_sc *sc;

	hlist_for_each_entry(sc, &macsec->rx_scs[ppnic_rx_sc_bucket(sci)], node)
		if (sc->secy == secy && sc->sci == sci)
			return sc;
	return NULL;
}

static void ppnic_macsec_sa_gone(struct work_struct *work)
{
	struct ppnic_macsec_sa *sa = container_of(to_rcu_work(work),
						  struct ppnic_macsec_sa, gone);

	crypto_free_aead(sa->tfm);
	kfree_sensitive(sa);
}

/**
 * ppnic_macsec_sa_set() - put an association where the device finds it
 * @slot: where; what is there goes
 * @sa: complete, or NULL
 *
 * Context: RTNL.
 */
void ppnic_macsec_sa_set(struct ppnic_macsec_sa __rcu **slot,
			 struct ppnic_macsec_sa *sa)
{
	struct ppnic_macsec_sa *old = rtnl_dereference(*slot);

	rcu_assign_pointer(*slot, sa);
	if (!old)
		return;
	INIT_RCU_WORK(&old->gone, ppnic_macsec_sa_gone);
	ppnic_aead_later(&old->gone);
}

static void ppnic_rx_sc_gone(struct work_struct *work)
{
	struct ppnic_rx_sc *sc = container_of(to_rcu_work(work),
					      struct ppnic_rx_sc, gone);

	dst_release(&sc->md->dst);
	kfree(sc);
}

/**
 * ppnic_rx_sc_add() - have a channel received
 * @macsec: the port's
 * @sc: complete but for its id
 *
 * Context: RTNL.
 * Return: 0, -ENOSPC, -ENOMEM.
 */
int ppnic_rx_sc_add(struct ppnic_macsec *macsec, struct ppnic_rx_sc *sc)
{
	int err;

	if (sc->secy->n_rx_sc >= PPNIC_MAX_RX_SCS)
		return -ENOSPC;
	err = xa_alloc_cyclic(&macsec->scs, &sc->id, sc, xa_limit_32b,
			      &macsec->next_sc, GFP_KERNEL);
	if (err < 0)
		return err;
	sc->secy->n_rx_sc++;
	/* Of two SecYs with the same channel the first has its frames. */
	hlist_add_tail_rcu(&sc->node,
			   &macsec->rx_scs[ppnic_rx_sc_bucket(sc->sci)]);
	return 0;
}

/**
 * ppnic_rx_sc_remove() - the device forgets a channel and its associations
 * @macsec: the port's
 * @sc: added
 *
 * Context: RTNL.
 */
void ppnic_rx_sc_remove(struct ppnic_macsec *macsec, struct ppnic_rx_sc *sc)
{
	u32 an;

	hlist_del_rcu(&sc->node);
	xa_erase(&macsec->scs, sc->id);
	sc->secy->n_rx_sc--;
	for (an = 0; an < MACSEC_NUM_AN; an++)
		ppnic_macsec_sa_set(&sc->sa[an], NULL);
	INIT_RCU_WORK(&sc->gone, ppnic_rx_sc_gone);
	ppnic_aead_later(&sc->gone);
}

/**
 * ppnic_secy_add() - make a SecY known to the device
 * @macsec: the port's
 * @secy: complete but for its id
 *
 * Context: RTNL.
 * Return: 0, -ENOSPC, -ENOMEM.
 */
int ppnic_secy_add(struct ppnic_macsec *macsec, struct ppnic_secy *secy)
{
	int err;

	if (macsec->count >= PPNIC_MAX_SECYS)
		return -ENOSPC;
	err = xa_alloc_cyclic(&macsec->secys, &secy->id, secy, xa_limit_32b,
			      &macsec->next_secy, GFP_KERNEL);
	if (err < 0)
		return err;
	WRITE_ONCE(macsec->count, macsec->count + 1);
	return 0;
}

static void ppnic_secy_gone(struct work_struct *work)
{
	kfree(container_of(to_rcu_work(work), struct ppnic_secy, gone));
}

/**
 * ppnic_secy_remove() - the device forgets a SecY and all that it has
 * @macsec: the port's
 * @secy: added
 *
 * Context: RTNL.
 */
void ppnic_secy_remove(struct ppnic_macsec *macsec, struct ppnic_secy *secy)
{
	struct ppnic_rx_sc *sc;
	unsigned long id;
	u32 an;

	xa_for_each(&macsec->scs, id, sc)
		if (sc->secy == secy)
			ppnic_rx_sc_remove(macsec, sc);
	xa_erase(&macsec->secys, secy->id);
	WRITE_ONCE(macsec->count, macsec->count - 1);
	for (an = 0; an < MACSEC_NUM_AN; an++)
		ppnic_macsec_sa_set(&secy->tx_sa[an], NULL);
	INIT_RCU_WORK(&secy->gone, ppnic_secy_gone);
	ppnic_aead_later(&secy->gone);
}
