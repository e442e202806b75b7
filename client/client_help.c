/*
 * Help texts. The limits' lines come from limits.def.
 *
 * Called by client_main.c. Fails only for a command that does not exist.
 */
#include "client/client_help.h"
#include "client/client_options.h"

#include <string.h>

#define FOR_OTHERS                                                                                 \
	"  --tenant NAME         as a gateway: for this tenant\n"                                  \
	"  --token-file FILE     its token, one line; without this option it is STINT_TOKEN\n"

static const char OVERVIEW[] =
    "stint runs Python programs in fresh, confined processes with limits.\n"
    "\n"
    "  stint run FILE [-- ARG...]   run a program and print its output as it comes\n"
    "  stint submit FILE [-- ARG...]  store a job that runs whatever happens; print its id\n"
    "  stint wait JOB               its output and exit status, when it has ended\n"
    "  stint result JOB             the same, if it has ended\n"
    "  stint list                   the stored jobs\n"
    "  stint status [JOB]           how the daemon, or one job, is doing\n"
    "  stint cancel JOB             end a job early\n"
    "  stint drain                  have the daemon end its jobs, then itself (for operators)\n"
    "  stint token                  make a token for a gateway of the daemon's\n"
    "  stint top                    live view of load and tenants (for operators)\n"
    "  stint metrics                counters and gauges for Prometheus (for operators)\n"
    "  stint selftest               attack the daemon harmlessly: does the sandbox hold?\n"
    "  stint doctor                 what this machine has, or lacks, for isolation\n"
    "  stint help [COMMAND]         this, or a command's options\n"
    "  stint --version\n"
    "\n"
    "The daemon's socket is --socket PATH, or STINT_SOCKET, or " CLIENT_SOCKET_DEFAULT ".\n";

static const char RUN[] =
    "stint run [OPTION...] FILE|-|-c TEXT|-m MODULE [-- ARG...]\n"
    "\n"
    "  FILE                  a program; NAME.pyc is sent as compiled code; - is standard input\n"
    "  -c TEXT               the program itself\n"
    "  -m MODULE             MODULE.py below the working directory, else a library module\n"
    "  -- ARG...             sys.argv[1:] of the program\n"
    "\n"
    "  --input NAME=JSON     set a global variable before the run (repeatable)\n"
    "  --output NAME         print this variable after the run, all as one JSON line (repeatable)\n"
    "  --eval                the program is one expression: print its value as JSON\n"
    "  --entry FUNCTION      call this after the program's body and print its value as JSON\n"
    "  --entry-args JSON     its arguments, an array\n"
    "  --entry-kwargs JSON   its keyword arguments, an object\n"
    "  --module NAME=FILE    a further module that the program can import (repeatable)\n"
    "  --file NAME=PATH      a file in the program's scratch directory (repeatable; needs "
    "--scratch)\n"
    "  --collect PATTERN     return the files it leaves there: *, ?, [a-z], ** (repeatable)\n"
    "  --out DIR             where to; existing files are not replaced\n"
    "  --name NAME           the program's name in tracebacks\n"
    "  --stdin FILE          the program's standard input; default: ours, read to its end,\n"
    "                        unless it is a terminal\n"
    "  --no-stdin            run it with an empty standard input\n"
    "  --trace [WHAT]        print on standard error what is executed: opcodes (default), lines,\n"
    "                        calls\n"
    "  --priority N          -10 to 10: before or after other waiting jobs of ours; default 0\n"
    "  --deadline TIME       end it as cancelled when it has not started by then\n" FOR_OTHERS
    "  --json                print the whole result as JSON instead of the output\n"
    "  --usage               one line on standard error: what the job has used\n"
    "  --socket PATH         the daemon's socket\n"
    "\n"
    "Limits (a time as 500ms, 2s, 1.5min; a size as 64K, 256M, 1G):\n";

static const char RUN_END[] =
    "\n"
    "Exit status: the program's own; 1 when it does not compile; 121 security violation,\n"
    "122 output limit, 123 memory limit, 124 time limit, 125 refused by or no answer from the\n"
    "daemon, 128+N died by its own signal N, 130 interrupted.\n";

static const char SUBMIT[] =
    "stint submit [OPTION...] FILE|-|-c TEXT|-m MODULE [-- ARG...]\n"
    "\n"
    "  Store a job and print its id. It runs also when this command, or the daemon, ends; the\n"
    "  result is kept: see `stint wait`. Its options are those of `stint run` (see `stint help\n"
    "  run`) without --usage and --out, and:\n"
    "\n"
    "  --key KEY             names this submission: a repeated one prints the first job's id\n"
    "  --tag TAG             a mark of your own, for `stint list`\n"
    "  --json                print the answer as JSON\n"
    "  --socket PATH         the daemon's socket\n"
    "\n"
    "Exit status: 0 the job is stored; 125 it is not.\n";

static const char WAIT[] =
    "stint wait [OPTION...] JOB\n"
    "\n"
    "  Wait until a stored job has ended, print its output, and end with its exit status.\n"
    "\n"
    "  --timeout TIME        for no longer than this: 10s, 1.5min\n"
    "  --json                print the whole result as JSON instead of the output\n"
    "  --usage               one line on standard error: what the job has used\n" FOR_OTHERS
    "  --socket PATH         the daemon's socket\n"
    "\n"
    "Exit status: as of `stint run`; 125 also when it has not ended in time.\n";

static const char RESULT[] =
    "stint result [--json] [--usage] [--socket PATH] [OPTION...] JOB\n"
    "\n"
    "  Print the output of a stored job that has ended, and end with its exit status.\n"
    "\n" FOR_OTHERS "\n"
    "Exit status: as of `stint run`; 125 also when it has not ended.\n";

static const char LIST[] =
    "stint list [--state queued|running|ended] [--tag TAG] [--json] [--socket PATH]\n"
    "           [OPTION...]\n"
    "\n"
    "  The stored jobs of the caller, newest first. --json: one array for each 1000 jobs.\n"
    "\n" FOR_OTHERS "\n"
    "Exit status: 0; 125 no daemon, or one that stores none.\n";

static const char STATUS[] =
    "stint status [--json] [--socket PATH] [OPTION...] [JOB]\n"
    "\n"
    "  Without JOB: whether the daemon serves, its load, versions and limits.\n"
    "  With JOB: where a waiting or running job stands and what it has used.\n"
    "\n" FOR_OTHERS "\n"
    "Exit status: 0; 1 the daemon does not serve (yet, or any more); 125 no daemon, no such job.\n";

static const char CANCEL[] =
    "stint cancel [--socket PATH] [OPTION...] JOB\n"
    "\n"
    "  End a waiting or running job; whoever submitted it gets the status cancelled.\n"
    "\n" FOR_OTHERS "\n"
    "Exit status: 0; 125 no such job, or no daemon.\n";

static const char DRAIN[] =
    "stint drain [OPTION...]\n"
    "\n"
    "  Have the daemon take no new job, end those it has, for at most 30 seconds, and end: what\n"
    "  SIGTERM does. Prints how many are left. For operators (setting operators).\n"
    "\n"
    "  --wait                come back when the last job has ended\n"
    "  --json                print the answer as JSON\n"
    "  --socket PATH         the daemon's socket\n"
    "\n"
    "Exit status: 0; 125 no daemon, or not permitted.\n";

static const char TOKEN[] =
    "stint token\n"
    "\n"
    "  Make a random token and print it, and below it the line for the tenant's section in\n"
    "  stint.conf by which the daemon knows it. The daemon never sees the token itself but in a\n"
    "  gateway's request: see --tenant of stint run.\n"
    "\n"
    "Exit status: 0.\n";

static const char TOP[] =
    "stint top [--interval TIME] [--socket PATH]\n"
    "\n"
    "  Load, rates and tenants, anew every --interval (2s; 100ms to 1h); q or Ctrl-C ends it.\n"
    "  Where standard output is no terminal: once, with rates since the daemon's start. For\n"
    "  operators (setting operators).\n"
    "\n"
    "Exit status: 0; 125 no daemon, or not permitted.\n";

static const char METRICS[] =
    "stint metrics [--socket PATH]\n"
    "\n"
    "  Print the daemon's counters and gauges in Prometheus' text format. For operators\n"
    "  (setting operators). See also the setting metrics_listen.\n"
    "\n"
    "Exit status: 0; 125 no daemon, or not permitted.\n";

static const char SELFTEST[] =
    "stint selftest [--socket PATH] [OPTION...]\n"
    "\n"
    "  Run some fifty small attacks as jobs and say of each whether the sandbox held. Safe on a\n"
    "  host in production: no load worth mentioning, nothing is left behind.\n"
    "\n" FOR_OTHERS "\n"
    "Exit status: 0 all passed, 1 one failed, 125 no daemon, or it refused a job.\n";

static const char DOCTOR[] =
    "stint doctor [--json] [--isolation full|reduced|development] [--socket PATH]\n"
    "\n"
    "  Looks at the kernel, at the settings of the host and, when a daemon answers, at the layers\n"
    "  that it has found to hold: each is ok, missing, a risk or not checked, with what it is "
    "good\n"
    "  for and the remedy. Needs no daemon and no root. What is needed depends on the level: the\n"
    "  daemon's, or --isolation's, else full.\n"
    "\n"
    "Exit status: 0 all is there that the level needs (risks are warnings); 1 something is "
    "missing.\n";

static void
client_help_limits(FILE *out)
{
	char name[CLIENT_OPTIONS_NAME_BYTES];

	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		client_options_limit_name((enum limit_id)i, name);
		(void)fprintf(out, "  --%-19s %s\n", name, LIMITS[i].text);
	}
}

int
client_help(FILE *out, const char *command)
{
	if (command == NULL || strcmp(command, "help") == 0) {
		(void)fputs(OVERVIEW, out);
	} else if (strcmp(command, "run") == 0) {
		(void)fputs(RUN, out);
		client_help_limits(out);
		(void)fputs(RUN_END, out);
	} else if (strcmp(command, "submit") == 0) {
		(void)fputs(SUBMIT, out);
	} else if (strcmp(command, "wait") == 0) {
		(void)fputs(WAIT, out);
	} else if (strcmp(command, "result") == 0) {
		(void)fputs(RESULT, out);
	} else if (strcmp(command, "list") == 0) {
		(void)fputs(LIST, out);
	} else if (strcmp(command, "status") == 0) {
		(void)fputs(STATUS, out);
	} else if (strcmp(command, "cancel") == 0) {
		(void)fputs(CANCEL, out);
	} else if (strcmp(command, "drain") == 0) {
		(void)fputs(DRAIN, out);
	} else if (strcmp(command, "token") == 0) {
		(void)fputs(TOKEN, out);
	} else if (strcmp(command, "top") == 0) {
		(void)fputs(TOP, out);
	} else if (strcmp(command, "metrics") == 0) {
		(void)fputs(METRICS, out);
	} else if (strcmp(command, "selftest") == 0) {
		(void)fputs(SELFTEST, out);
	} else if (strcmp(command, "doctor") == 0) {
		(void)fputs(DOCTOR, out);
	} else {
		return -1;
	}
	return 0;
}
