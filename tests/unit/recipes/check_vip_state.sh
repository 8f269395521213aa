#!/bin/bash
VIP=10.77.0.10
if ! ip addr show | grep -q "$VIP"; then
    exit 1
fi
curl -sf -m 1 "http://$VIP:80/health" >/dev/null || exit 1
exit 0
