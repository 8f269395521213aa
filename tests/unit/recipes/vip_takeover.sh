#!/bin/sh
logger "this node takes the VIP"
ip addr add 10.77.0.10/32 dev ens160 2>/dev/null
