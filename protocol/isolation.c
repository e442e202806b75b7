/*
 * Names and needs of the isolation layers; the table is isolation.def. Pure data, used by the
 * spawner, stintd and the client's doctor. Cannot fail.
 */
#include "protocol/isolation.h"

const struct isolation_row ISOLATION_LAYERS[ISOLATION_LAYER_COUNT] = {
#define ISOLATION(name, from, sentence, remedy)                                                    \
	[ISOLATION_LAYER_##name] = {#name, sentence, remedy, ISOLATION_##from},
#include "protocol/isolation.def"
#undef ISOLATION
};

const char *
isolation_level_name(enum isolation_level level)
{
	static const char *const NAMES[ISOLATION_LEVEL_COUNT] = {"development", "reduced", "full"};

	return level < ISOLATION_LEVEL_COUNT ? NAMES[level] : "unknown";
}

uint64_t
isolation_join(uint64_t by_spawner, uint64_t by_zygote)
{
	return ((by_spawner & ISOLATION_BY_SPAWNER) | (by_zygote & ~ISOLATION_BY_SPAWNER)) &
	       ISOLATION_ALL;
}

uint64_t
isolation_needed(enum isolation_level level)
{
	uint64_t needed = 0;

	for (unsigned i = 0; i < ISOLATION_LAYER_COUNT; i++)
		if (ISOLATION_LAYERS[i].from <= level)
			needed |= UINT64_C(1) << i;
	return needed;
}
