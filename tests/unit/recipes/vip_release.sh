#!/bin/sh
logger "this node releases the VIP"
ip addr del 10.77.0.10/32 dev ens160 2>/dev/null
