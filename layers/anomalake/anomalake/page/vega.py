"""Vega's code for the page."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import vl_convert

from anomalake.files import cache_folder, write_whole

#: Licence of Vega, Vega-Lite and Vega-Embed, which must accompany their code.
LICENCE: Final = """\
Copyright (c) 2015-2023, University of Washington Interactive Data Lab. All rights reserved.

Redistribution and use in source and binary forms, with or without modification, are permitted provided that the
following conditions are met:

1. Redistributions of source code must retain the above copyright notice, this list of conditions and the following
   disclaimer.

2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the following
   disclaimer in the documentation and/or other materials provided with the distribution.

3. Neither the name of the copyright holder nor the names of its contributors may be used to endorse or promote products
   derived from this software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES,
INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL,
SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY,
WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF
THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE."""

_SNIPPET: Final = "window.vegaEmbed = vegaEmbed;"
# Another number for another snippet or another `inline`.
_FORM: Final = 1


@cache
def bundle() -> str:
    """Return code that sets ``window.vegaEmbed``, for an inline script.

    To make it takes about 1.5 s, so it is kept in the user's cache, with its digest before it.
    """
    folder = cache_folder()
    name = f"vega-{version('vl-convert-python')}-{_FORM}.js"
    if folder is not None:
        with suppress(OSError, UnicodeDecodeError):
            digest, _, code = (folder / name).read_bytes().decode("utf-8").partition("\n")
            if digest == _digest(code):
                return code
    code = inline(vl_convert.javascript_bundle(_SNIPPET))
    if folder is not None:
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(folder / name, f"{_digest(code)}\n{code}".encode())
    return code


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def to_svg(spec: dict[str, Any]) -> str:
    """Draw a Vega-Lite chart as SVG; nothing is loaded from a network."""
    return str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))


def to_png(spec: dict[str, Any]) -> bytes:
    """Draw a Vega-Lite chart as PNG, twice as fine as on a screen; nothing is loaded from a network."""
    return bytes(vl_convert.vegalite_to_png(spec, scale=2, allowed_base_urls=[]))


@cache
def notice() -> str:
    """Return versions and licence, for a comment in the page."""
    versions = (
        f"Vega {vl_convert.get_vega_version()}, Vega-Lite {vl_convert.get_vegalite_versions()[-1]}, "
        f"Vega-Embed {vl_convert.get_vega_embed_version()}, from vl-convert-python {version('vl-convert-python')}"
    )
    return f"The charts are drawn by {versions}.\nTheir licence is BSD-3-Clause:\n\n{LICENCE}"


def inline(code: str) -> str:
    """Return JavaScript that cannot end the script element that contains it.

    The end of a script element can occur only within a string, a template or a regular expression, where ``\\x3c`` is
    ``<``.
    """
    code = code.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub(r"<(?=/script|!--|script)", lambda _: "\\x3c", code, flags=re.IGNORECASE)
