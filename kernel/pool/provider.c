// SPDX-License-Identifier: GPL-2.0-only
/* The table of memory providers, ours and other modules'. */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../compat/mm.h"
#include "../include/ppiov/pool.h"

/* An entry of the table; freed when its module unregisters it. */
struct ppiov_provider {
	struct list_head list;
	const struct ppiov_provider_ops *ops;
};

static LIST_HEAD(ppiov_providers);
static DEFINE_MUTEX(ppiov_providers_lock); /* the list */

static struct ppiov_provider *ppiov_provider_find(const char *name)
{
	struct ppiov_provider *provider;

	lockdep_assert_held(&ppiov_providers_lock);
	list_for_each_entry(provider, &ppiov_providers, list)
		if (!strcmp(provider->ops->name, name))
			return provider;
	return NULL;
}

/**
 * __ppiov_provider_register() - see ppiov_provider_register(), the macro
 * @ops: lives until ppiov_provider_unregister()
 *
 * Context: process.
 * Return: 0, -EINVAL for a name that is empty or too long, -EEXIST, -ENOMEM.
 */
int __ppiov_provider_register(const struct ppiov_provider_ops *ops)
{
	struct ppiov_provider *provider;
	int err = 0;

	if (!ops->name || !*ops->name || strlen(ops->name) >= PPIOV_NAME_LEN)
		return -EINVAL;
	/* A caller that went around the macro. */
	if (!ops->init || !ops->release || !ops->destroy ||
	    !ops->alloc == !ops->alloc_bulk)
		return -EINVAL;

	provider = kzalloc_obj(*provider);
	if (!provider)
		return -ENOMEM;
	provider->ops = ops;

	mutex_lock(&ppiov_providers_lock);
	if (ppiov_provider_find(ops->name))
		err = -EEXIST;
	else
		list_add_tail(&provider->list, &ppiov_providers);
	mutex_unlock(&ppiov_providers_lock);

	if (err)
		kfree(provider);
	return err;
}
EXPORT_SYMBOL_GPL(__ppiov_provider_register);

/**
 * ppiov_provider_unregister() - no longer offer a provider
 * @ops: as registered
 *
 * Called from module exit: by then no pool uses the provider, as each holds a
 * reference to its module.
 *
 * Context: process.
 */
void ppiov_provider_unregister(const struct ppiov_provider_ops *ops)
{
	struct ppiov_provider *provider;

	mutex_lock(&ppiov_providers_lock);
	provider = ppiov_provider_find(ops->name);
	if (!WARN_ON(!provider || provider->ops != ops)) {
		list_del(&provider->list);
		kfree(provider);
	}
	mutex_unlock(&ppiov_providers_lock);
}
EXPORT_SYMBOL_GPL(ppiov_provider_unregister);

/**
 * ppiov_provider_get() - find a provider, and keep its module
 * @name: its name
 *
 * Context: process.
 * Return: the provider, or NULL if there is none, or it is just going away.
 */
const struct ppiov_provider_ops *ppiov_provider_get(const char *name)
{
	const struct ppiov_provider_ops *ops = NULL;
	struct ppiov_provider *provider;

	mutex_lock(&ppiov_providers_lock);
	provider = ppiov_provider_find(name);
	if (provider && try_module_get(provider->ops->owner))
		ops = provider->ops;
	mutex_unlock(&ppiov_providers_lock);
	return ops;
}
EXPORT_SYMBOL_GPL(ppiov_provider_get);

/**
 * ppiov_provider_put() - undo ppiov_provider_get()
 * @ops: the provider
 *
 * Context: any.
 */
void ppiov_provider_put(const struct ppiov_provider_ops *ops)
{
	module_put(ops->owner);
}
EXPORT_SYMBOL_GPL(ppiov_provider_put);

/**
 * ppiov_provider_for_each() - walk the providers in order of registration
 * @fn: called for each; the walk ends at the first value that is not 0
 * @arg: for @fn
 *
 * Context: process. @fn must not register or unregister.
 * Return: what the last @fn returned.
 */
int ppiov_provider_for_each(int (*fn)(const struct ppiov_provider_ops *ops,
				      void *arg),
			    void *arg)
{
	struct ppiov_provider *provider;
	int err = 0;

	mutex_lock(&ppiov_providers_lock);
	list_for_each_entry(provider, &ppiov_providers, list) {
		err = fn(provider->ops, arg);
		if (err)
			break;
	}
	mutex_unlock(&ppiov_providers_lock);
	return err;
}
EXPORT_SYMBOL_GPL(ppiov_provider_for_each);
