#!/bin/bash
# keepalived tells: $1 INSTANCE, $2 its name, $3 the state
VIP=10.77.0.10/32
DEV=ens160
case "$3" in
    MASTER) ip addr add "$VIP" dev "$DEV" ;;
    BACKUP) ip addr del "$VIP" dev "$DEV" ;;
    FAULT) systemctl try-restart keepalived ;;
esac
