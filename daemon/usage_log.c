/*
 * See the header. Two buffers: the loop fills one, the thread writes the other; they are exchanged
 * under a mutex that is never held over a system call. A record is in the file as a whole or not at
 * all: after a failed write the file is cut where the last whole one ended. Nothing is synced: what
 * the kernel has outlives this process, not the machine.
 *
 * Called by daemon.c. Failures are counted, and logged by the loop now and then.
 */
#define _GNU_SOURCE
#include "daemon/usage_log.h"

#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define USAGE_LOG_COPY_BYTES   65536u
#define USAGE_LOG_LINES_MINUTE 2u

struct usage_buffer {
	char *bytes; /* owned: USAGE_LOG_BUFFER_BYTES */
	size_t size;
};

struct usage_log {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	struct usage_buffer fill;  /* under the mutex */
	struct usage_buffer drain; /* the thread's */
	struct text_buffer line;   /* the loop's */
	bool stop;                 /* under the mutex */
	uint64_t written, dropped; /* atomic */
	int failure; /* atomic: errno of the last failed attempt, until it is logged */
	/* the thread's */
	int fd, old_fd; /* owned */
	uint64_t bytes_max;
	struct timespec retry_at; /* monotonic: nothing is tried before it */
};

static uint64_t
usage_log_records(const char *bytes, size_t size)
{
	uint64_t count = 0;
	for (const char *end = bytes + size; bytes < end; count++) {
		const char *stop = memchr(bytes, '\n', (size_t)(end - bytes));
		bytes = stop ? stop + 1 : end;
	}
	return count;
}

static bool
usage_log_size(int fd, uint64_t *ret_size)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return false;
	*ret_size = (uint64_t)st.st_size;
	return true;
}

/* All of it or nothing: what was written of a part is cut off again. errno says why not. */
static bool
usage_log_append(int fd, const char *bytes, size_t size)
{
	uint64_t before;
	if (!usage_log_size(fd, &before))
		return false;
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int why = n == 0 ? EIO : errno;
			(void)!ftruncate(fd, (off_t)before);
			errno = why;
			return false;
		}
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

/* Everything goes to the second file; the first is empty then, and not before it is there. */
static bool
usage_log_turn_over(struct usage_log *log)
{
	char bytes[USAGE_LOG_COPY_BYTES];
	off_t at = 0;
	ssize_t n;
	if (ftruncate(log->old_fd, 0) < 0)
		return false;
	while ((n = pread(log->fd, bytes, sizeof(bytes), at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || !usage_log_append(log->old_fd, bytes, (size_t)n))
			return false;
		at += n;
	}
	return ftruncate(log->fd, 0) == 0;
}

/* How much of the records fits in `room`: whole ones only. */
static size_t
usage_log_fitting(const char *bytes, size_t size, uint64_t room)
{
	if (size <= room)
		return size;
	const char *end = memrchr(bytes, '\n', (size_t)room);
	return end ? (size_t)(end - bytes) + 1 : 0;
}

static bool
usage_log_write(struct usage_log *log, const char *bytes, size_t *size)
{
	uint64_t used;
	if (!usage_log_size(log->fd, &used))
		return false;
	size_t part =
	    usage_log_fitting(bytes, *size, used < log->bytes_max ? log->bytes_max - used : 0);
	if (part == 0) {
		if (!usage_log_turn_over(log))
			return false;
		part = usage_log_fitting(bytes, *size, log->bytes_max);
	}
	if (!usage_log_append(log->fd, bytes, part))
		return false;
	*size = part;
	return true;
}

static bool
usage_log_is_early(const struct usage_log *log)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec < log->retry_at.tv_sec ||
	       (now.tv_sec == log->retry_at.tv_sec && now.tv_nsec < log->retry_at.tv_nsec);
}

static void
usage_log_drain(struct usage_log *log)
{
	const char *bytes = log->drain.bytes;
	size_t left = log->drain.size, part;
	bool good = !usage_log_is_early(log);
	for (; good && left > 0; bytes += part, left -= part) {
		part = left;
		good = usage_log_write(log, bytes, &part);
		if (!good) {
			__atomic_store_n(&log->failure, errno, __ATOMIC_RELAXED);
			(void)clock_gettime(CLOCK_MONOTONIC, &log->retry_at);
			log->retry_at.tv_sec += USAGE_LOG_RETRY_MS / 1000;
			break;
		}
		__atomic_fetch_add(&log->written, usage_log_records(bytes, part), __ATOMIC_RELAXED);
	}
	__atomic_fetch_add(&log->dropped, usage_log_records(bytes, left), __ATOMIC_RELAXED);
	log->drain.size = 0;
}

static void *
usage_log_main(void *argument)
{
	struct usage_log *log = argument;
	bool stop = false;
	(void)prctl(PR_SET_NAME, "usage-log");
	while (!stop) {
		(void)pthread_mutex_lock(&log->mutex);
		while (log->fill.size == 0 && !log->stop)
			(void)pthread_cond_wait(&log->wake, &log->mutex);
		struct usage_buffer full = log->fill;
		log->fill = log->drain;
		log->drain = full;
		stop = log->stop;
		(void)pthread_mutex_unlock(&log->mutex);
		usage_log_drain(log);
	}
	return NULL;
}

/* A line that was not finished when the machine or the process died: it ends here. */
static int
usage_log_mend(int fd, struct error *err)
{
	uint64_t size;
	char last = '\n';
	if (!usage_log_size(fd, &size) || (size > 0 && pread(fd, &last, 1, (off_t)size - 1) != 1))
		return error_errno(err, "usage records: cannot read the file");
	if (last != '\n')
		(void)usage_log_append(fd, "\n", 1);
	return 0;
}

static void
usage_log_destroy(struct usage_log *log)
{
	(void)pthread_mutex_destroy(&log->mutex);
	(void)pthread_cond_destroy(&log->wake);
	text_buffer_deinit(&log->line);
	free(log->fill.bytes);
	free(log->drain.bytes);
	base_close(&log->fd);
	base_close(&log->old_fd);
	free(log);
}

int
usage_log_new(int fd, int old_fd, uint64_t bytes_max, struct usage_log **ret_log, struct error *err)
{
	struct usage_log *log = calloc(1, sizeof(*log));
	sigset_t all, before;
	require(log != NULL && bytes_max >= USAGE_LOG_RECORD_BYTES);
	log->fd = fd;
	log->old_fd = old_fd;
	log->bytes_max = bytes_max;
	log->fill.bytes = malloc(USAGE_LOG_BUFFER_BYTES);
	log->drain.bytes = malloc(USAGE_LOG_BUFFER_BYTES);
	require(log->fill.bytes && log->drain.bytes);
	text_buffer_init(&log->line, USAGE_LOG_RECORD_BYTES);
	(void)pthread_mutex_init(&log->mutex, NULL);
	(void)pthread_cond_init(&log->wake, NULL);
	int rc = usage_log_mend(fd, err);
	if (rc == 0) {
		/* Signals are the loop's. */
		(void)sigfillset(&all);
		(void)pthread_sigmask(SIG_SETMASK, &all, &before);
		errno = pthread_create(&log->thread, NULL, usage_log_main, log);
		(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
		if (errno != 0)
			rc = error_errno(err, "start the thread for usage records");
	}
	if (rc == 0)
		*ret_log = log;
	else
		usage_log_destroy(log);
	return rc;
}

void
usage_log_free(struct usage_log **log)
{
	struct usage_log *gone = *log;
	if (!gone)
		return;
	*log = NULL;
	(void)pthread_mutex_lock(&gone->mutex);
	gone->stop = true;
	(void)pthread_cond_signal(&gone->wake);
	(void)pthread_mutex_unlock(&gone->mutex);
	(void)pthread_join(gone->thread, NULL);
	usage_log_destroy(gone);
}

void
usage_log_format(struct text_buffer *text, const struct engine_ended *ended,
		 const struct timespec *at)
{
	const struct run_usage *usage = ended->usage;
	char time[64];
	struct tm tm;
	(void)gmtime_r(&at->tv_sec, &tm);
	size_t used = strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(time + used, sizeof(time) - used, ".%03ldZ", at->tv_nsec / 1000000);
	const struct {
		const char *name, *value;
	} texts[] = {{"time", time},
		     {"job", ended->job},
		     {"tenant", ended->tenant},
		     {"tag", ended->tag},
		     {"status", status_name(ended->status)}};
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {{"queue_us", usage->queue_us},
		       {"wall_us", usage->wall_us},
		       {"cpu_us", usage->cpu_us},
		       {"opcodes", usage->opcodes},
		       {"memory_peak_bytes", usage->memory_peak_bytes},
		       {"stdout_bytes", usage->stdout_bytes},
		       {"stderr_bytes", usage->stderr_bytes}};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		text_buffer_put_text(text, i == 0 ? "{\"" : ",\"");
		text_buffer_put_text(text, texts[i].name);
		text_buffer_put_text(text, "\":");
		text_buffer_json_lossy(text, texts[i].value, strlen(texts[i].value));
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		text_buffer_put_text(text, ",\"");
		text_buffer_put_text(text, numbers[i].name);
		text_buffer_put_text(text, "\":");
		text_buffer_put_u64(text, numbers[i].value);
	}
	text_buffer_put_text(text, "}\n");
}

/* The buffer that the loop fills, if this fits. */
static bool
usage_log_hand_over(struct usage_log *log, const char *bytes, size_t size)
{
	(void)pthread_mutex_lock(&log->mutex);
	bool fits = size <= USAGE_LOG_BUFFER_BYTES - log->fill.size;
	if (fits) {
		memcpy(log->fill.bytes + log->fill.size, bytes, size);
		log->fill.size += size;
		(void)pthread_cond_signal(&log->wake);
	}
	(void)pthread_mutex_unlock(&log->mutex);
	return fits;
}

void
usage_log_put(struct usage_log *log, const struct engine_ended *ended)
{
	struct timespec now;
	if (!log)
		return;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	text_buffer_clear(&log->line);
	usage_log_format(&log->line, ended, &now);
	bool kept = !log->line.failed && usage_log_hand_over(log, log->line.bytes, log->line.size);
	if (!kept)
		__atomic_fetch_add(&log->dropped, 1, __ATOMIC_RELAXED);
	int failure = __atomic_exchange_n(&log->failure, 0, __ATOMIC_RELAXED);
	if (!kept || failure != 0)
		log_limited(LOG_LEVEL_WARNING, "usage", USAGE_LOG_LINES_MINUTE,
			    "usage records are lost: %s",
			    failure != 0 ? strerror(failure) : "the file system is too slow");
}

void
usage_log_counts(struct usage_log *log, uint64_t *ret_written, uint64_t *ret_dropped)
{
	*ret_written = log ? __atomic_load_n(&log->written, __ATOMIC_RELAXED) : 0;
	*ret_dropped = log ? __atomic_load_n(&log->dropped, __ATOMIC_RELAXED) : 0;
}
