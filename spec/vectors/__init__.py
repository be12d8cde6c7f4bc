"""Test vectors for any language: v1/ holds them, schema/ their form, generate/ what makes them."""
