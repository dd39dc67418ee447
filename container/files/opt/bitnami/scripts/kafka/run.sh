#!/bin/bash
exec gokafka container run --layout bitnami "$@"
