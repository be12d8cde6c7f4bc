"""The reference node's adapter: `spec/adapter` says what it is asked for. Others may copy it.

`lines` talks to the suite and keeps one node alive, or ends it; `nodes` is that node, in a process of its own, so that
a crash is one; `words` is its model, which needs no weights.
"""
