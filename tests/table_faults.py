"""What may be wrong with the tables of a folder, what is said about it, and what is read all the same."""

from __future__ import annotations

import json
import zlib
from typing import Any

from tests.tables import DATA, DM, EX

META: dict[str, Any] = {
    "datasetJSONVersion": "1.1.0",
    "records": 1,
    "columns": [{"name": name} for name in ("STUDYID", "DOMAIN", "USUBJID", "EXSEQ", "EXTRT", "EXDOSE")],
}
ROW = ["S", "EX", "S-1", 1, "A", 54]


XPORT = (DATA / "xpt-v5" / "ex.xpt").read_bytes()
"""EX of the made-up study as a SAS transport file."""

_SECOND = XPORT.index(b"SYNTHETOL", XPORT.index(b"SYNTHETOL") + 20)


def dataset(*rows: Any, **members: Any) -> str:
    """EX as Dataset-JSON."""
    return json.dumps({**META, "records": len(rows), **members, "rows": rows})


BAD: dict[str, tuple[dict[str, str | bytes], list[str], list[int]]] = {
    # files, what is said, how many rows of EX each subject has
    "no DM": (
        {"dm.csv": "", "ex.csv": EX},
        [
            "error: dm.csv: there is nothing in it [empty-source]",
            (
                "error: ex.csv:2: S-1: ex: USUBJID 'S-1' has no row in dm that can be used: 2 rows are not carried "
                "[orphan-row]"
            ),
            (
                "error: ex.csv:4: S-2: ex: USUBJID 'S-2' has no row in dm that can be used: the row is not carried "
                "[orphan-row]"
            ),
        ],
        [],
    ),
    "orphan rows": (
        {"dm.csv": DM, "ex.csv": EX + "S,EX,S-9,1,A,54\nS,EX,S-9,2,A,54\n"},
        [
            (
                "error: ex.csv:5: S-9: ex: USUBJID 'S-9' has no row in dm that can be used: 2 rows are not carried "
                "[orphan-row]"
            )
        ],
        [2, 1],
    ),
    "DM twice": (
        {"dm.csv": DM + "S,DM,S-1,70,M\n", "ex.csv": EX},
        [
            (
                "error: dm.csv:4: S-1: dm.USUBJID: USUBJID 'S-1' stands there twice, first at dm.csv:2; the row is not "
                "carried [duplicate-row]"
            )
        ],
        [2, 1],
    ),
    "the same number twice": (
        {"dm.csv": DM, "ex.csv": EX + "S,EX,S-1,2,A,99\n"},
        [
            (
                "error: ex.csv:5: S-1: ex.EXSEQ: EXSEQ 2 stands there twice, first at ex.csv:3; the row is not carried "
                "[duplicate-row]"
            )
        ],
        [2, 1],
    ),
    "a wrong type": (
        {"dm.csv": DM, "ex.csv": EX + "S,EX,S-2,2,B,five\nS,EX,S-2,3,B,54\n"},
        ["error: ex.csv:5: S-2: ex.EXDOSE: 'five' is no number; the row is not carried [wrong-type]"],
        [2, 2],
    ),
    "a decimal comma": (
        {"dm.csv": DM, "ex.csv": EX.replace(",", ";") + "S;EX;S-2;2;B;5,4\n"},
        [
            (
                "error: ex.csv:5: S-2: ex.EXDOSE: '5,4' is no number; the row is not carried (is the comma a decimal "
                "comma? Say so) [wrong-type]"
            )
        ],
        [2, 1],
    ),
    "no whole number": (
        {"dm.csv": DM, "ex.csv": EX + "S,EX,S-2,2.5,B,54\n"},
        ["error: ex.csv:5: S-2: ex.EXSEQ: 2.5 is no whole number; the row is not carried [wrong-type]"],
        [2, 1],
    ),
    "a number of too many digits": (
        {"dm.csv": DM, "ex.csv": EX + "S,EX,S-2,2,B,0.12345678901234567890\n"},
        [
            (
                "warning: ex.csv: ex.EXDOSE: 0.12345678901234567890 has more digits than a number holds: it is "
                "0.12345678901234568 [rounded]"
            )
        ],
        [2, 2],
    ),
    "a ragged row": (
        {"dm.csv": DM, "ex.csv": EX + 'S,EX,S-2,2\nS,EX,S-2,3,"a\nb",1,,\nS,EX,S-2,4,B,1,2\n'},
        [
            "error: ex.csv:5: ex: the row has 4 cells, where there are 6 columns; the row is not carried [ragged-row]",
            "error: ex.csv:8: ex: the row has 7 cells, where there are 6 columns; the row is not carried [ragged-row]",
        ],
        [2, 2],
    ),
    "a quote that never ends": (
        {"dm.csv": DM, "ex.csv": EX + 'S,EX,S-2,2,"B,1\n'},
        [
            (
                "error: ex.csv:5: ex: not CSV: unexpected end of data; the row is not carried (a quote in a cell is "
                "written twice) [not-csv]"
            )
        ],
        [2, 1],
    ),
    "unknown columns": (
        {"dm.csv": DM, "ex.csv": EX.replace("EXTRT", "EXTREAT").replace("EXDOSE", "Dosis")},
        [
            (
                "warning: ex.csv: ex.EXTREAT: 'EXTREAT' is no column of ex, and is not carried (did you mean EXTRT?) "
                "[unknown-column]"
            ),
            "warning: ex.csv: ex.Dosis: 'Dosis' is no column of ex, and is not carried [unknown-column]",
        ],
        [2, 1],
    ),
    "no column USUBJID": (
        {"dm.csv": DM, "ex.csv": EX.replace("USUBJID", "UsubjID")},
        ["error: ex.csv: there is no column USUBJID (is 'UsubjID' meant?) [missing-column]"],
        [0, 0],
    ),
    "a column twice": (
        {"dm.csv": DM, "ex.csv": EX.replace("EXTRT", "EXDOSE")},
        ["error: ex.csv: the column EXDOSE stands there twice [duplicate-column]"],
        [0, 0],
    ),
    "no USUBJID in a row": (
        {"dm.csv": DM, "ex.csv": EX + "S,EX,,2,B,1\n"},
        ["error: ex.csv:5: ex.USUBJID: there is no USUBJID; the row is not carried [missing-key]"],
        [2, 1],
    ),
    "another study, another domain": (
        {"dm.csv": DM, "ex.csv": EX + "T,EX,S-2,2,B,1\nS,EC,S-2,3,B,1\n"},
        [
            "error: ex.csv:6: S-2: ex.DOMAIN: DOMAIN is 'EC' in the dataset EX; the row is not carried [wrong-domain]",
            "error: ex.csv:5: S-2: ex: STUDYID is 'T', where the record has 'S'; the row is not carried [wrong-study]",
        ],
        [2, 1],
    ),
    "another encoding": (
        {"dm.csv": DM, "ex.csv": (EX + "S,EX,S-2,2,B\u2019s,1\nS,EX,S-2,3,B\u2019s,1\n").encode("windows-1252")},
        [
            (
                "error: ex.csv:5: ex: byte 0x92 is not UTF-8; the row is not carried (save it as UTF-8, or say which "
                "encoding it is) [not-utf-8]"
            ),
            "error: ex.csv: ex: 1 more row is not carried for the same reason [not-utf-8]",
        ],
        [2, 1],
    ),
    "UTF-16 without its mark": (
        {"dm.csv": DM, "ex.csv": EX.encode("utf-16-le")},
        [
            (
                "error: ex.csv: the text is UTF-16 or UTF-32 without a byte order mark (save it as UTF-8, or say which "
                "encoding it is) [not-utf-8]"
            )
        ],
        [0, 0],
    ),
    "supplements that qualify nothing": (
        {
            "dm.csv": DM,
            "ex.csv": EX,
            "suppex.csv": "STUDYID,RDOMAIN,USUBJID,IDVAR,IDVARVAL,QNAM,QVAL\n"
            "S,EX,S-1,EXSEQ,7,X,1\nS,CM,S-1,CMSEQ,1,X,1\nS,EX,S-1,EXSEQ,1.0,X,1\n",
        },
        [
            (
                "error: suppex.csv:2: S-1: suppex: it qualifies a row of ex with EXSEQ 7, which there is not; the row is "
                "not carried [orphan-row]"
            ),
            (
                "error: suppex.csv:3: S-1: suppex: RDOMAIN is 'CM', which is no dataset that is carried; the row is not "
                "carried [orphan-row]"
            ),
        ],
        [2, 1],
    ),
    "a row of another length": (
        {"dm.csv": DM, "ex.json": dataset(ROW, ROW[:5], [*ROW[:3], 2, "A", 1])},
        [
            (
                "error: ex.json, row 2: ex: the row has 5 values, where there are 6 columns; the row is not carried "
                "[wrong-length]"
            )
        ],
        [2, 0],
    ),
    "values that are none": (
        {"dm.csv": DM, "ex.json": dataset([*ROW[:5], [1]], [*ROW[:5], True], [*ROW[:4], {}, 1], ROW)},
        [
            (
                "error: ex.json, row 1: S-1: ex.EXDOSE: expected a number, found a list; the row is not carried "
                "[wrong-type]"
            ),
            "error: ex.json, row 2: S-1: ex.EXDOSE: expected a number, found true; the row is not carried [wrong-type]",
            "error: ex.json, row 3: S-1: ex.EXTRT: expected text, found an object; the row is not carried [wrong-type]",
        ],
        [1, 0],
    ),
    "fewer rows than it says": (
        {"dm.csv": DM, "ex.json": dataset(ROW, records=2)},
        ["error: ex.json: the file says that it has 2 rows, and has 1 (is it complete?) [wrong-count]"],
        [1, 0],
    ),
    "another version": (
        {"dm.csv": DM, "ex.json": dataset(ROW, datasetJSONVersion="2.0.0")},
        ["error: ex.json: this is version '2.0.0' of Dataset-JSON (1.0 and 1.1 are read) [unknown-version]"],
        [0, 0],
    ),
    "no Dataset-JSON": (
        {"dm.csv": DM, "ex.json": '{"resourceType": "Bundle"}'},
        ["error: ex.json: this is Dataset-JSON without its version (1.0 and 1.1 are read) [unknown-version]"],
        [0, 0],
    ),
    "JSON that breaks off": (
        {"dm.csv": DM, "ex.json": dataset(ROW, ROW)[:-20]},
        [
            (
                "error: ex.json:1: the JSON ends in the middle of a row (column 233) (the file is not complete) "
                "[truncated]"
            ),
        ],
        [1, 0],
    ),
    "a bad line of NDJSON": (
        {"dm.csv": DM, "ex.ndjson": "\n".join([json.dumps({**META, "records": 2}), '["S","EX",', json.dumps(ROW)])},
        [
            (
                "error: ex.ndjson:2: ex: the JSON ends in the middle of a value (line 2, column 11); the row is not "
                "carried [truncated]"
            )
        ],
        [1, 0],
    ),
    "compressed data that break off": (
        {"dm.csv": DM, "ex.dsjc": zlib.compress((json.dumps(META) + "\n" + json.dumps(ROW)).encode())[:-20]},
        ["error: ex.dsjc: the zlib data end before they are complete [truncated-zlib]"],
        [0, 0],
    ),
    "XPT that breaks off": (
        {
            "dm.csv": DM.replace("S-1", "SYN-01-001").replace("S,", "SYN-01,"),
            "ex.xpt": XPORT[: XPORT.rindex(b"SYN-01-004") + 5],
        },
        [
            "error: ex.xpt: the file ends in the middle of a row (is it complete?) [truncated]",
            (
                "error: ex.xpt, row 3: SYN-01-003: ex: USUBJID 'SYN-01-003' has no row in dm that can be used: the row is "
                "not carried [orphan-row]"
            ),
        ],
        [2, 0],
    ),
    "XPT that hardly begins": (
        {"dm.csv": DM, "ex.xpt": XPORT[:700]},
        ["error: ex.xpt: the file ends before its rows begin (is it complete?) [truncated]"],
        [0, 0],
    ),
    "a byte in XPT that is no text": (
        {
            "dm.csv": DM.replace("S-1", "SYN-01-001").replace("S,", "SYN-01,"),
            "ex.xpt": XPORT[:_SECOND] + b"\x92" + XPORT[_SECOND + 1 :],
        },
        [
            (
                "error: ex.xpt, row 2: ex: byte 0x92 is not UTF-8; the row is not carried (say which encoding it is: the "
                "file does not) [not-utf-8]"
            ),
            (
                "error: ex.xpt, row 3: SYN-01-003: ex: USUBJID 'SYN-01-003' has no row in dm that can be used: the row is "
                "not carried [orphan-row]"
            ),
            (
                "error: ex.xpt, row 4: SYN-01-004: ex: USUBJID 'SYN-01-004' has no row in dm that can be used: the row is "
                "not carried [orphan-row]"
            ),
        ],
        [1, 0],
    ),
    "two datasets in XPT": (
        {"dm.csv": DM, "ex.xpt": XPORT * 2},
        ["error: ex.xpt: there is more than one dataset in it [several-datasets]"],
        [0, 0],
    ),
    "a define.xml that is none": (
        {"dm.csv": DM, "ex.csv": EX, "define.xml": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'},
        ["warning: define.xml: it has a document type declaration, which no define.xml has [not-a-define]"],
        [2, 1],
    ),
}
