"""What keeps SPEC.md, the data beside this folder and mycellm_proto in step: ``python3 -m spec``."""
