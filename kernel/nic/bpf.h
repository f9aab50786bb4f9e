/* SPDX-License-Identifier: GPL-2.0-only */
/* BPF in the device: what it runs there, and on what. */
#ifndef PPNIC_BPF_H
#define PPNIC_BPF_H

#include <linux/bitmap.h>
#include <linux/bpf.h>

struct bpf_prog;
struct bpf_verifier_env;
struct netdev_bpf;
struct ppnic_frame;
struct ppnic_arrival;
struct ppnic_port;
struct ppnic_txq;

/**
 * struct ppnic_bpf_prog - a program in the device
 * @prog: the kernel's, while it is a port's, which holds a reference; RTNL
 * @len: instructions
 * @ctx: bit for each instruction: it is to or from the context, not memory
 * @insns: as they were before the kernel made host code of them
 *
 * From ops->prepare to ops->destroy, and a grace period of RCU after it was
 * taken off its port.
 */
struct ppnic_bpf_prog {
	struct bpf_prog *prog;
	u32 len;
	unsigned long *ctx;
	struct bpf_insn insns[] __counted_by(len);
};

/**
 * struct ppnic_bpf_ctx - what a program runs on; to it, struct xdp_md
 * @start: of the memory that @data may grow into
 * @data: the frame
 * @end: after its last byte
 * @queue: valid if @to_queue
 * @to_queue: the program has said where the frame goes
 */
struct ppnic_bpf_ctx {
	u8 *start;
	u8 *data;
	u8 *end;
	u32 queue;
	bool to_queue;
};

/* What a program has done to a frame. */
enum ppnic_bpf_end {
	PPNIC_BPF_PASS, /* on it goes, maybe as another one */
	PPNIC_BPF_DROP,
	PPNIC_BPF_SENT, /* back to where it came from */
};

#ifdef CONFIG_BPF_SYSCALL

/* bpf_cpu.c: the processor */
int ppnic_bpf_known(const struct bpf_insn *insn, bool ctx);
u32 ppnic_bpf_run(const struct ppnic_bpf_prog *prog, struct ppnic_bpf_ctx *ctx);

/* bpf_map.c: its memory */
int ppnic_bpf_map_alloc(struct bpf_offloaded_map *offmap);
void ppnic_bpf_map_free(struct bpf_offloaded_map *offmap);
void *ppnic_bpf_map_lookup(struct bpf_map *map, const void *key);
int ppnic_bpf_map_update(struct bpf_map *map, const void *key,
			 const void *value, u64 flags);
int ppnic_bpf_map_delete(struct bpf_map *map, const void *key);

/* bpf_prog.c: how programs come into it */
int ppnic_bpf_init(struct ppnic_port *port);
void ppnic_bpf_exit(struct ppnic_port *port);
int ppnic_bpf_attach(struct ppnic_port *port, struct netdev_bpf *bpf);

/* bpf_frame.c: what they do to frames */
enum ppnic_bpf_end ppnic_bpf_frame(struct ppnic_txq *txq, struct ppnic_port *to,
				   const struct ppnic_frame *f,
				   struct ppnic_arrival *arrival);

#else

static inline int ppnic_bpf_map_alloc(struct bpf_offloaded_map *offmap)
{
	return -EOPNOTSUPP;
}

static inline void ppnic_bpf_map_free(struct bpf_offloaded_map *offmap)
{
}

static inline int ppnic_bpf_init(struct ppnic_port *port)
{
	return 0;
}

static inline void ppnic_bpf_exit(struct ppnic_port *port)
{
}

static inline int ppnic_bpf_attach(struct ppnic_port *port,
				   struct netdev_bpf *bpf)
{
	return -EOPNOTSUPP;
}

static inline enum ppnic_bpf_end ppnic_bpf_frame(struct ppnic_txq *txq,
						 struct ppnic_port *to,
						 const struct ppnic_frame *f,
						 struct ppnic_arrival *arrival)
{
	return PPNIC_BPF_PASS;
}

#endif

#endif /* PPNIC_BPF_H */
