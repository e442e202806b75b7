# bash completion of stint(1). The options come from the client's own help, so that they are never behind.
_stint()
{
	local cur prev command i
	COMPREPLY=()
	cur=${COMP_WORDS[COMP_CWORD]}
	prev=${COMP_WORDS[COMP_CWORD - 1]}
	command=${COMP_WORDS[1]-}

	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "$(stint help 2>/dev/null |
			sed -n 's/^  stint \([a-z-]*\).*/\1/p' | sort -u)" -- "$cur")
		return
	fi
	# Behind -- are the program's own arguments.
	for ((i = 2; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
		fi
	done
	case $prev in
	--socket | --stdin | --token-file)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--trace)
		mapfile -t COMPREPLY < <(compgen -W "opcodes lines calls" -- "$cur")
		return
		;;
	esac
	if [[ $prev == --state ]]; then
		mapfile -t COMPREPLY < <(compgen -W "queued running ended" -- "$cur")
		return
	fi
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$({ stint help "$command"; [[ $command != submit ]] || stint help run; } 2>/dev/null |
			grep -oE -e '(^  |\[)--?[a-z][a-z-]*' | tr -d ' [' | sort -u)" -- "$cur")
	elif [[ $command == help ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(stint help 2>/dev/null |
			sed -n 's/^  stint \([a-z-]*\).*/\1/p' | sort -u)" -- "$cur")
	elif [[ $command == run || $command == submit ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
}
complete -o filenames -F _stint stint
