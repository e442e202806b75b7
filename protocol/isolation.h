/*
 * What stands between a job and the host: the layers by name, and the levels an operator can insist
 * on. A generation has a set of layers (bits, 1 << enum isolation_layer), found by those who put
 * them up: the zygote those of its own and of a worker it has made for the purpose, the spawner
 * those of the control groups. A generation that lacks a layer of the configured level does not
 * serve; nothing is ever left out silently.
 */
#ifndef STINT_PROTOCOL_ISOLATION_H
#define STINT_PROTOCOL_ISOLATION_H

#include <stdint.h>

/* Values of the setting `isolation`, weakest first. */
enum isolation_level {
	ISOLATION_DEVELOPMENT, /* insists on no control group and on no account of its own for a
				  worker */
	ISOLATION_REDUCED,     /* production without the layers that old kernels lack */
	ISOLATION_FULL,        /* default: every layer */
	ISOLATION_LEVEL_COUNT
};

enum isolation_layer {
#define ISOLATION(name, from, sentence, remedy) ISOLATION_LAYER_##name,
#include "protocol/isolation.def"
#undef ISOLATION
	ISOLATION_LAYER_COUNT
};
_Static_assert(ISOLATION_LAYER_COUNT <= 64, "a set of layers is one word");
#define ISOLATION_BIT(name) (UINT64_C(1) << ISOLATION_LAYER_##name)

/*
 * The layers that the spawner vouches for, since they can only be seen from outside of them; the
 * zygote vouches for the rest. What one says of the other's layers is not heard.
 */
#define ISOLATION_BY_SPAWNER                                                                       \
	(ISOLATION_BIT(user_namespace) | ISOLATION_BIT(pid_namespace) |                            \
	 ISOLATION_BIT(mount_namespace) | ISOLATION_BIT(net_namespace) |                           \
	 ISOLATION_BIT(ipc_namespace) | ISOLATION_BIT(uts_namespace) | ISOLATION_BIT(own_uid) |    \
	 ISOLATION_BIT(cgroup_memory) | ISOLATION_BIT(cgroup_cpu) | ISOLATION_BIT(cgroup_pids) |   \
	 ISOLATION_BIT(cgroup_kill))
#define ISOLATION_ALL ((UINT64_C(1) << ISOLATION_LAYER_COUNT) - 1)

/* Exit status of stintd when it refuses to serve and a restart would change nothing. */
#define ISOLATION_EXIT_REFUSED 78 /* EX_CONFIG of sysexits.h */

struct isolation_row {
	const char *name, *sentence, *remedy; /* static */
	enum isolation_level from;
};
extern const struct isolation_row ISOLATION_LAYERS[ISOLATION_LAYER_COUNT];

const char *isolation_level_name(enum isolation_level level);
/* The layers that level insists on. */
uint64_t isolation_needed(enum isolation_level level);
/* What is there when the spawner and the zygote say these. */
uint64_t isolation_join(uint64_t by_spawner, uint64_t by_zygote);

#endif
