/*
 * A stand-in for spawner, zygote and workers, for tests of the engine without root: plain processes
 * that speak the real messages, and workers that play a script in place of a program.
 */
#ifndef STINT_TESTS_FAKE_ZYGOTE_H
#define STINT_TESTS_FAKE_ZYGOTE_H

#include <stdint.h>
#include <sys/types.h>

#define FAKE_GENERATIONS_MAX 64

/* Shared between the test and the fake's processes; each word has one writer at a time. */
struct fake_shared {
	pid_t zygote;		      /* of the last generation */
	pid_t zygotes[FAKE_GENERATIONS_MAX]; /* live, by number */
	unsigned live, live_max;      /* generations */
	unsigned generations;	      /* started so far */
	unsigned forks;		      /* workers forked so far */
	volatile unsigned daemon_ready;       /* MESSAGE_DAEMON_READY seen */
	unsigned fail_starts;	      /* generations that shall fail to start */
	unsigned fail_forks;	      /* forks that shall be refused */
	uint64_t barren;	      /* number of a generation that shall refuse all forks */
	unsigned mute_workers;	      /* workers that shall die before their hello */
	unsigned deaf_workers;        /* workers that shall say hello and take nothing */
	unsigned breaking_workers;    /* workers that shall die with the job unread */
	unsigned drains_asked, hold_drain; /* by stintd; then nothing is answered */
	unsigned send_drain;	      /* the spawner shall ask for a drain at DAEMON_READY */
	unsigned fail_scratch;	      /* forks of the scratch class that shall be refused */
	unsigned scratch_forks;	      /* of that class, so far; its last sizes: */
	uint64_t scratch_bytes, scratch_files;
	unsigned orphans;	      /* ORPHANs that the zygote shall send with its next fork */
	unsigned lying_zygote;	      /* the zygote shall answer a fork with rubbish */
	volatile unsigned deaf_zygote; /* KILLs that it shall not heed */
	uint64_t rss_bytes;	      /* that it says of one that stopped */
	volatile uint64_t lacking;	      /* layers that the next generations shall not have */
};

struct fake {
	struct fake_shared *shared; /* mapped */
	pid_t spawner;
	int link; /* stintd's end of the spawner link: the engine's */
};

/* Fork the fake spawner. Before any thread is started. */
void fake_zygote_start(struct fake *ret_fake);
/* Kill what is left and reap it. */
void fake_zygote_stop(struct fake *fake);

/*
 * Scripts of a worker: commands separated by ';' in the job's source.
 *   out TEXT, err TEXT   write it          stdin        copy fd 0 to fd 1
 *   core                 write the number of the core that the terms name, + 1
 *   exit N, signal N     end               spin, pause  use CPU, or time, without end
 *   ends N               end, or stop if the terms say so
 *   claims N             stop with that as `ended`, whatever they say
 *   count N              say that so many opcodes are counted
 *   value JSON           leave a result    rubbish      say that rubbish is a result
 *   half                 leave half a result and end well
 *   leave TEXT           leave that as compiled code, where it is asked for
 *   claim N              say that N bytes of it are there
 *   given, asked         print the code that came with the job; whether code is asked for
 *   speak                send a byte on the channel
 *   forge                claim a failed set-up and exit with its code
 */
#endif
