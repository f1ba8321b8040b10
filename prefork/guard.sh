# Ends what its owner could not end, because the owner was killed.
#
# Reads a line "+ SID" for each session to watch and "- SID" for each that is
# done. At end-of-file the owner is gone: all that is left in the watched
# sessions gets SIGTERM, and after two seconds SIGKILL. A read that blocks is all
# it does until then.
watched=' '
while read -r op sid; do
	case $op in
	+) watched="$watched$sid " ;;
	-)
		case $watched in
		*" $sid "*) watched="${watched%% "$sid" *} ${watched#* "$sid" }" ;;
		esac
		;;
	esac
done

# sweep SIGNAL: sends it to each process in a watched session; fails if there is none
sweep() {
	signal=$1 found=
	for file in /proc/[0-9]*/stat; do
		read -r stat <"$file" || continue
		set -- ${stat##*) } # state ppid pgrp session ...
		case $1,$watched in
		Z*) ;;
		*" $4 "*)
			pid=${file#/proc/}
			kill -s "$signal" "${pid%/stat}" && found=yes
			;;
		esac
	done
	[ "$found" ]
} 2>/dev/null

[ "$watched" = ' ' ] && exit 0
sweep TERM && sleep 2 && sweep KILL
exit 0
