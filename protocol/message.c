/*
 * Making and naming internal messages.
 *
 * Sends nothing: base_sys does. Never fails; the whole message is zeroed first, so that no byte of
 * the sender's memory leaves with it.
 */
#include "protocol/message.h"

#include <string.h>

void
message_init(struct message *ret_message, enum message_type type)
{
	memset(ret_message, 0, sizeof(*ret_message));
	ret_message->type = (uint32_t)type;
	ret_message->version = MESSAGE_VERSION;
}

const char *
message_name(uint32_t type)
{
	switch (type) {
	case MESSAGE_DAEMON_READY:
		return "daemon_ready";
	case MESSAGE_DAEMON_ALIVE:
		return "daemon_alive";
	case MESSAGE_GENERATION_START:
		return "generation_start";
	case MESSAGE_GENERATION_END:
		return "generation_end";
	case MESSAGE_GENERATION_STARTED:
		return "generation_started";
	case MESSAGE_GENERATION_ENDED:
		return "generation_ended";
	case MESSAGE_DAEMON_DRAIN:
		return "daemon_drain";
	case MESSAGE_DRAIN:
		return "drain";
	case MESSAGE_CONFIG:
		return "config";
	case MESSAGE_FORK:
		return "fork";
	case MESSAGE_KILL:
		return "kill";
	case MESSAGE_ZYGOTE_READY:
		return "zygote_ready";
	case MESSAGE_FORKED:
		return "forked";
	case MESSAGE_EXITED:
		return "exited";
	case MESSAGE_STOPPED:
		return "stopped";
	case MESSAGE_ORPHAN:
		return "orphan";
	default:
		return "unknown";
	}
}
