// SPDX-License-Identifier: GPL-2.0-only
/* The files in debugfs: parameters in, results out, nothing in the log. */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../compat/mm.h"
#include "bench.h"

#define PPIOV_BENCH_LINE 256 /* bytes that may be written */

static struct dentry *ppiov_bench_dir;

/* One benchmark runs at a time, and its results stand until the next one. */
static DEFINE_MUTEX(ppiov_bench_lock);
static struct ppiov_bench_run *ppiov_bench_last;

/**
 * ppiov_bench_refuse() - say why a benchmark can't be done, or didn't count
 * @run: the run
 * @err: -errno
 * @format: as printk has it, one line
 *
 * Context: process, in a run.
 * Return: @err.
 */
int ppiov_bench_refuse(struct ppiov_bench_run *run, int err, const char *format,
		       ...)
{
	va_list args;

	va_start(args, format);
	vscnprintf(run->reason, sizeof(run->reason), format, args);
	va_end(args);
	return err;
}

/**
 * ppiov_bench_note() - tell a number that is no time
 * @run: the run
 * @name: a word, constant
 * @value: the number
 *
 * Context: process, in a run.
 */
void ppiov_bench_note(struct ppiov_bench_run *run, const char *name, u64 value)
{
	if (WARN_ON_ONCE(run->nr_notes == ARRAY_SIZE(run->notes)))
		return;
	run->notes[run->nr_notes].name = name;
	run->notes[run->nr_notes++].value = value;
}

static int ppiov_bench_set(struct ppiov_bench_run *run, const char *name,
			   const char *value)
{
	struct ppiov_bench_params *p = &run->p;
	struct {
		const char *name;
		u32 *at;
		u32 min, max;
	} numbers[] = {
		{ "n", &p->n, 64, PPIOV_BENCH_MAX_N },
		{ "rounds", &p->rounds, 1, PPIOV_BENCH_MAX_ROUNDS },
		{ "buffers", &p->buffers, 1, PPIOV_MAX_RING },
		{ "pools", &p->pools, 1, PPIOV_BENCH_MAX_POOLS },
		{ "order", &p->order, 0, 9 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (strcmp(name, numbers[i].name))
			continue;
		if (kstrtou32(value, 0, numbers[i].at) ||
		    *numbers[i].at < numbers[i].min ||
		    *numbers[i].at > numbers[i].max)
			return ppiov_bench_refuse(run, -EINVAL,
						  "%s is %u to %u", name,
						  numbers[i].min,
						  numbers[i].max);
		return 0;
	}
	if (!strcmp(name, "provider") &&
	    strscpy(p->provider, value, sizeof(p->provider)) >= 0)
		return 0;
	if (!strcmp(name, "kind") &&
	    strscpy(p->kind, value, sizeof(p->kind)) >= 0)
		return 0;
	if (!strcmp(name, "key") && !kstrtobool(value, &p->key))
		return 0;
	if (!strcmp(name, "process") && !kstrtobool(value, &p->process))
		return 0;
	if (!strcmp(name, "fragmented") && !kstrtobool(value, &p->fragmented))
		return 0;
	if (!strcmp(name, "dmabuf") && !kstrtoint(value, 0, &p->dmabuf))
		return 0;
	return ppiov_bench_refuse(run, -EINVAL, "%s=%s is no parameter", name,
				  value);
}

static int ppiov_bench_parse(struct ppiov_bench_run *run, char *line)
{
	char *word, *value;
	int err;

	run->p = (struct ppiov_bench_params) {
		.provider = "page",
		.kind = "page",
		.n = 1024,
		.rounds = 15,
		.buffers = 1,
		.pools = 1,
		.dmabuf = -1,
	};
	line = strim(line);
	while ((word = strsep(&line, " "))) {
		if (!*word)
			continue;
		value = strchr(word, '=');
		if (!value)
			return ppiov_bench_refuse(run, -EINVAL,
						  "%s has no value", word);
		*value++ = 0;
		err = ppiov_bench_set(run, word, value);
		if (err)
			return err;
	}
	if (run->p.n % 64)
		return ppiov_bench_refuse(run, -EINVAL,
					  "n is no multiple of 64");
	return 0;
}

static int ppiov_bench_do(struct ppiov_bench_run *run, char *line)
{
	const struct ppiov_bench *bench = run->bench;
	int err;

	err = ppiov_bench_parse(run, line);
	if (err)
		return err;
	err = bench->setup ? bench->setup(run) : 0;
	if (!err)
		err = ppiov_bench_measure(run);
	if (!err && run->done != run->asked)
		err = ppiov_bench_refuse(run, -EIO, "%llu of %llu were done",
					 run->done, run->asked);
	if (!err && bench->check)
		err = bench->check(run);
	if (bench->teardown)
		bench->teardown(run);
	run->priv = NULL;
	return err;
}

static ssize_t ppiov_bench_write(struct file *file, const char __user *data,
				 size_t size, loff_t *at)
{
	struct seq_file *seq = file->private_data;
	struct ppiov_bench_run *run = kvzalloc_obj(*run);
	char *line;

	if (!run)
		return -ENOMEM;
	line = size < PPIOV_BENCH_LINE ? memdup_user_nul(data, size) :
					 ERR_PTR(-EINVAL);
	if (IS_ERR(line)) {
		kvfree(run);
		return PTR_ERR(line);
	}

	mutex_lock(&ppiov_bench_lock);
	run->bench = seq->private;
	run->err = ppiov_bench_do(run, line);
	swap(ppiov_bench_last, run);
	kvfree(run);
	kfree(line);
	if (ppiov_bench_last->err)
		size = ppiov_bench_last->err;
	mutex_unlock(&ppiov_bench_lock);
	return (ssize_t)size;
}

static void ppiov_bench_times(struct seq_file *seq, const char *name,
			      const struct ppiov_bench_time *times, u32 n)
{
	u32 i;

	/* The difference of two noisy readings may be below zero. */
	for (i = 0; i < n; i++)
		seq_printf(seq, "%s=%lld %lld\n", name, (s64)times[i].cycles,
			   (s64)times[i].ns);
}

static int ppiov_bench_show(struct seq_file *seq, void *unused)
{
	const struct ppiov_bench_run *run;
	u32 i;

	mutex_lock(&ppiov_bench_lock);
	run = ppiov_bench_last;
	if (run && run->bench == seq->private) {
		seq_printf(seq, "format=1\nbench=%s\n", run->bench->name);
		if (run->err)
			seq_printf(seq, "error=%d\nreason=%s\n", run->err,
				   run->reason);
		seq_printf(seq, "context=%s\nn=%u\ndone=%llu\n",
			   run->bench->remote || run->p.process ? "process" :
								  "softirq",
			   run->p.n, run->done);
		for (i = 0; i < run->nr_notes; i++)
			seq_printf(seq, "note.%s=%llu\n", run->notes[i].name,
				   run->notes[i].value);
		ppiov_bench_times(seq, "empty", run->empty, run->nr);
		ppiov_bench_times(seq, "round", run->times, run->nr);
	}
	mutex_unlock(&ppiov_bench_lock);
	return 0;
}

static int ppiov_bench_open(struct inode *inode, struct file *file)
{
	return single_open(file, ppiov_bench_show, inode->i_private);
}

static const struct file_operations ppiov_bench_fops = {
	.owner = THIS_MODULE,
	.open = ppiov_bench_open,
	.read = seq_read,
	.write = ppiov_bench_write,
	.llseek = seq_lseek,
	.release = single_release,
};

/**
 * ppiov_bench_files_add() - offer benchmarks
 * @benches: static
 * @n: how many
 *
 * Context: module init, after ppiov_bench_files_init().
 * Return: 0 or -errno.
 */
int ppiov_bench_files_add(const struct ppiov_bench *benches, unsigned int n)
{
	struct dentry *file;

	for (; n--; benches++) {
		file = debugfs_create_file(benches->name, 0600, ppiov_bench_dir,
					   (void *)benches, &ppiov_bench_fops);
		/* Without its file, a benchmark is no use. */
		if (IS_ERR(file))
			return PTR_ERR(file);
	}
	return 0;
}

/**
 * ppiov_bench_files_init() - make the folder
 *
 * Context: module init.
 * Return: 0 or -errno; -ENODEV without debugfs.
 */
int ppiov_bench_files_init(void)
{
	ppiov_bench_dir = debugfs_create_dir("ppiov_bench", NULL);
	return PTR_ERR_OR_ZERO(ppiov_bench_dir);
}

/**
 * ppiov_bench_files_exit() - remove the files, and the last results
 *
 * Context: module exit.
 */
void ppiov_bench_files_exit(void)
{
	debugfs_remove(ppiov_bench_dir);
	kvfree(ppiov_bench_last);
}
