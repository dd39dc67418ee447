#!/bin/bash
exec gokafka container run "$@"
