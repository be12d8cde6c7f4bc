"""The scripted engine: a model without weights for tests of everything around a model (``--model scripted``).

What it answers is a pure function of the request, by the rules below, so that a test or a real client can ask for a
tool call, a long or a slow answer or an error, and gets it through the whole HTTP and QUIC stack. It declares a context
of 131,072 tokens. A token is up to four characters of ASCII or one other character, and ids are its own
(`reference_node.scripted.tokens`); usage is exact. Sampling parameters are accepted; as nothing is drawn, they change
nothing.

*The question* is the last user message with text, but not one that stands directly behind results of tools. Markers in
it are obeyed wherever they stand; a completion's prompt is its question. B64 is base64 of UTF-8.

====================================  ================================================================================
``SAY_B64 <B64>``                     answer this text (else: ``ACCEPT-OK from the scripted engine.``)
``THINK_B64 <B64>``                   reason with this text before (else a fixed one, if a reasoning effort is asked)
``CALL_TOOL_B64 <name> <B64>``        call the tool with these arguments; several markers are several calls
``CALL_TOOL <name> {...}``            the same with arguments in clear, up to the end of the line or ``END_CALL``
``REPEAT <n>``                        answer n tokens
``SHOW_REQUEST``                      answer the request as it arrived here, as JSON with sorted keys
``WAIT_MS <n>``, ``PACE_MS <n>``      wait before the first token, or before every one
``FAIL_WITH <CODE>``                  refuse with an error code of SPEC.md by its name, such as BUSY
``FAIL_AFTER <n>``                    end with INTERNAL after n tokens
====================================  ================================================================================

1. Behind results of tools no tool is called: the answer is the fixed text and ``TOOL_RESULT_SEEN:`` with the beginning
   of the last result (or what rule 4 says).
2. A tool is called if a marker names one that is offered (in any case of letters); if the choice is *required* (the
   first one) or names one; or if it is the only one and the last word of its name stands in the question's last line
   (``get_weather``: "How is the weather?"). The choice *none* prevents all, ``parallel_tool_calls`` false all but one.
3. Without a marker, arguments are the smallest instance of the tool's schema, with the fixed text for strings.
4. A response format with a schema is answered with the schema's smallest instance, one without with an object.
5. Answers end at stop sequences, the token limit and the deadline, as those of any model.
6. The vector of a text is the sum of its words' directions (`reference_node.scripted.vectors`), of any dimensions.
"""

from __future__ import annotations

from reference_node.scripted.engine import SCRIPTED_MODEL, ScriptedEngine

__all__ = ["SCRIPTED_MODEL", "ScriptedEngine"]
