"""The state machines as tables and diagrams, made from the tables that the implementation runs on."""

from __future__ import annotations

from mycellm_proto.states import TABLE, Direction, Role, State

MACHINES: dict[str, tuple[Role, ...]] = {
    "connection": (Role.INITIATOR, Role.RESPONDER),
    "exchange": (Role.CONSUMER, Role.PROVIDER),
    "call": (Role.CALLER, Role.CALLEE),
}


def shown(machine: str) -> str:
    """Both roles of a ``machine``: what each state sends and receives, then the diagram of its changes."""
    return "\n\n".join(f"{_table(role)}\n\n{_diagram(role)}" for role in MACHINES[machine])


def _states(role: Role) -> list[State]:
    return [state for each, state in TABLE if each is role]


def _table(role: Role) -> str:
    lines = [f"| {role.value} | sends | receives |", "| --- | --- | --- |"]
    for state in _states(role):
        cells = (_moves(role, state, Direction.SEND), _moves(role, state, Direction.RECEIVE))
        lines.append(f"| {_name(state)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _moves(role: Role, state: State, direction: Direction) -> str:
    """Frames that stay in the state, then those that leave it."""
    rows = {frame.name: after for (way, frame), after in TABLE[role, state].items() if way is direction}
    staying = [name for name, after in rows.items() if after is state]
    leaving = [f"{name} → {_name(after)}" for name, after in rows.items() if after is not state]
    return ", ".join(staying + leaving)


def _diagram(role: Role) -> str:
    lines = ["```mermaid", "stateDiagram-v2", f"    %% {role.value}", f"    [*] --> {_id(_states(role)[0])}"]
    for state in _states(role):
        by_target: dict[State, list[str]] = {}
        for (direction, frame), after in TABLE[role, state].items():
            if after is not state:
                sign = "send" if direction is Direction.SEND else "receive"
                by_target.setdefault(after, []).append(f"{sign} {frame.name}")
        lines += [f"    {_id(state)} --> {_id(after)}: {', '.join(labels)}" for after, labels in by_target.items()]
        if not TABLE[role, state]:
            lines.append(f"    {_id(state)} --> [*]")
    return "\n".join([*lines, "```"])


def _name(state: State) -> str:
    return state.name.replace("_", " ")


def _id(state: State) -> str:
    return state.name
