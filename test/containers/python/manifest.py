"""Prints the documents of a YAML file as a JSON list: python manifest.py FILE"""

import json
import sys

import yaml

with open(sys.argv[1]) as f:
    print(json.dumps(list(yaml.safe_load_all(f))))
