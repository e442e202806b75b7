/*
 * The system calls both sides need, with their traps handled once: descriptors are O_CLOEXEC from
 * birth and -1 after close, close() is never retried, EINTR is, a short write is continued.
 */
#ifndef STINT_PROTOCOL_BASE_SYS_H
#define STINT_PROTOCOL_BASE_SYS_H

#include "protocol/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FDS_PER_MESSAGE_MAX 8

/* Close *fd unless it is -1, and set it to -1. Keeps errno. */
void base_close(int *fd);
#define autoclose __attribute__((cleanup(base_close)))

/* Exactly `size` bytes, or an error (ERROR_CLOSED at end of file). */
int base_read_full(int fd, void *ret_bytes, size_t size, struct error *err);
int base_write_full(int fd, const void *bytes, size_t size, struct error *err);
int base_pread_full(int fd, void *ret_bytes, size_t size, off_t offset, struct error *err);
int base_pwrite_full(int fd, const void *bytes, size_t size, off_t offset, struct error *err);

/*
 * One datagram of exactly `size` bytes with `fd_count` descriptors on a SOCK_SEQPACKET socket.
 * flags: MSG_DONTWAIT or 0 (MSG_NOSIGNAL is always set). EAGAIN gives ERROR_BUSY, a gone peer
 * ERROR_CLOSED.
 */
int base_send_fds(int fd, const void *bytes, size_t size, const int *fds, size_t fd_count,
		  int flags, struct error *err);
/*
 * One datagram of at most `size` bytes. Received descriptors are O_CLOEXEC and go to ret_fds; more
 * than fd_max of them, a truncated datagram or control message is ERROR_INVALID and all are closed.
 * ret_pid, when not NULL, gets the sender's pid from SCM_CREDENTIALS, or 0 without (needs
 * SO_PASSCRED). Returns ERROR_CLOSED at end of file, ERROR_BUSY on EAGAIN. An empty datagram is
 * ERROR_INVALID with credentials or descriptors on it; without any it looks like an end of file.
 */
int base_recv_fds(int fd, void *ret_bytes, size_t size, size_t *ret_size, int *ret_fds,
		  size_t fd_max, size_t *ret_fd_count, pid_t *ret_pid, int flags,
		  struct error *err);

/* socketpair(AF_UNIX, SOCK_SEQPACKET|SOCK_CLOEXEC). */
int base_socketpair(int ret_fds[2], struct error *err);
/* memfd, close-on-exec, sealing allowed, `size` bytes, sealed against shrink, grow and further
 * seals when size > 0; unsealed, empty and append-only (O_APPEND) when size is 0. */
int base_memfd(const char *name, size_t size, int *ret_fd, struct error *err);
/* memfd, close-on-exec, `bytes` long, of which the first `used` are a copy of that memory, sealed
 * against all change. executable: may be mapped so. Copied by the kernel alone, so that it may be
 * anything that can be read. -1: could not be made (errno). */
int base_memfd_copy(const char *name, const void *from, size_t used, size_t bytes, bool executable);
/* Decimal number from / to a small kernel file through an open descriptor, at offset 0. "max" reads
 * as UINT64_MAX. */
int base_file_read_u64(int fd, uint64_t *ret_value, struct error *err);
int base_file_write_u64(int fd, uint64_t value, struct error *err);
/* Value of `key` in a "key value\n" file (cpu.stat, memory.events) through an open descriptor. */
int base_file_read_key(int fd, const char *key, uint64_t *ret_value, struct error *err);
/*
 * malloc for bytes that go in and out once. From BASE_LARGE_BYTES on it is rounded up to, and asks
 * for, huge pages of 2 MiB: a fault for each small page costs more than the copying. free() works.
 */
#define BASE_LARGE_BYTES (4u << 20) /* so that it is a third more at most */
void *base_large_malloc(size_t size);
/* `bytes`, of which `used` are kept, in as much memory; NULL: as it was. Small ones: realloc. */
void *base_large_realloc(void *bytes, size_t used, size_t size);
/* `size` bytes of fresh memory are about to be written: have the kernel give their pages in one
 * call instead of by a fault for each. Linux 5.14; before that, and for small ones, nothing. */
void base_populate(void *bytes, size_t size);
/* Take addresses that nothing is mapped at, in whole pages, without memory. False: something is,
 * and nothing has changed. 0 bytes: true. */
bool base_reserve(uintptr_t start, size_t bytes);
/*
 * Have the kernel make huge pages of the parts of [start, end) that can be one, whatever the
 * machine's setting for them is (MADV_COLLAPSE: Linux 6.1, pages of 4 KiB). How many bytes are in
 * huge pages.
 */
#define BASE_HUGE_BYTES 2097152u
size_t base_collapse(uintptr_t start, uintptr_t end);

#endif
