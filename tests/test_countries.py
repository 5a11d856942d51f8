"""The names of countries lead to the codes of ISO 3166, whichever way they are spelt; no name of a record is missing."""

from __future__ import annotations

import re
import tarfile

import pytest

from .code_tables import TABLES, records, shared

ISO_3166 = {
    "AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AQ", "AR", "AS", "AT", "AU", "AW", "AX", "AZ", "BA", "BB", "BD",
    "BE", "BF", "BG", "BH", "BI", "BJ", "BL", "BM", "BN", "BO", "BQ", "BR", "BS", "BT", "BV", "BW", "BY", "BZ", "CA",
    "CC", "CD", "CF", "CG", "CH", "CI", "CK", "CL", "CM", "CN", "CO", "CR", "CU", "CV", "CW", "CX", "CY", "CZ", "DE",
    "DJ", "DK", "DM", "DO", "DZ", "EC", "EE", "EG", "EH", "ER", "ES", "ET", "FI", "FJ", "FK", "FM", "FO", "FR", "GA",
    "GB", "GD", "GE", "GF", "GG", "GH", "GI", "GL", "GM", "GN", "GP", "GQ", "GR", "GS", "GT", "GU", "GW", "GY", "HK",
    "HM", "HN", "HR", "HT", "HU", "ID", "IE", "IL", "IM", "IN", "IO", "IQ", "IR", "IS", "IT", "JE", "JM", "JO", "JP",
    "KE", "KG", "KH", "KI", "KM", "KN", "KP", "KR", "KW", "KY", "KZ", "LA", "LB", "LC", "LI", "LK", "LR", "LS", "LT",
    "LU", "LV", "LY", "MA", "MC", "MD", "ME", "MF", "MG", "MH", "MK", "ML", "MM", "MN", "MO", "MP", "MQ", "MR", "MS",
    "MT", "MU", "MV", "MW", "MX", "MY", "MZ", "NA", "NC", "NE", "NF", "NG", "NI", "NL", "NO", "NP", "NR", "NU", "NZ",
    "OM", "PA", "PE", "PF", "PG", "PH", "PK", "PL", "PM", "PN", "PR", "PS", "PT", "PW", "PY", "QA", "RE", "RO", "RS",
    "RU", "RW", "SA", "SB", "SC", "SD", "SE", "SG", "SH", "SI", "SJ", "SK", "SL", "SM", "SN", "SO", "SR", "SS", "ST",
    "SV", "SX", "SY", "SZ", "TC", "TD", "TF", "TG", "TH", "TJ", "TK", "TL", "TM", "TN", "TO", "TR", "TT", "TV", "TW",
    "TZ", "UA", "UG", "UM", "US", "UY", "UZ", "VA", "VC", "VE", "VG", "VI", "VN", "VU", "WF", "WS", "YE", "YT", "ZA",
    "ZM", "ZW",
}  # fmt: skip
"""The officially assigned two-letter codes of ISO 3166-1: https://www.iso.org/iso-3166-country-codes.html"""


class TestCountries:
    """The names of countries."""

    def test_codes_exist(self) -> None:
        """Every code is one of the 249 of ISO 3166-1, and every one of them has a name."""
        assert len(ISO_3166) == 249
        assert {code for _, code in TABLES["country"].outside.values()} == ISO_3166

    @pytest.mark.parametrize(
        ("code", "names"),
        [
            ("TR", ["Turkey", "Turkey (Türkiye)", "Türkiye"]),
            ("KR", ["South Korea", "Korea, Republic of"]),
            ("KP", ["North Korea", "Korea, Democratic People's Republic of"]),
            ("RU", ["Russia", "Russian Federation"]),
            ("CD", ["Congo, The Democratic Republic of the", "Democratic Republic of the Congo"]),
            ("CG", ["Congo"]),
            ("MK", ["North Macedonia", "Macedonia, The Former Yugoslav Republic of"]),
            ("CI", ["Côte D'Ivoire", "Côte d'Ivoire"]),
            ("CZ", ["Czechia", "Czech Republic"]),
            ("VI", ["Virgin Islands (U.S.)"]),
            ("NE", ["Niger"]),
            ("NG", ["Nigeria"]),
            ("DM", ["Dominica"]),
            ("DO", ["Dominican Republic"]),
            ("AT", ["Austria"]),
            ("AU", ["Australia"]),
        ],
    )
    def test_spellings(self, code: str, names: list[str]) -> None:
        """Old and new names of a country lead to its code."""
        assert {TABLES["country"].outside[name] for name in names} == {("urn:iso:std:iso:3166", code)}

    @pytest.mark.parametrize("name", ["Former Yugoslavia", "Former Serbia and Montenegro", "Netherlands Antilles"])
    def test_former(self, name: str) -> None:
        """A country that is no more, and whose code is withdrawn, has no code."""
        assert name in TABLES["country"].labels and name not in TABLES["country"].outside

    def test_records(self) -> None:
        """Every name that a real record shows has a row."""
        seen = set()
        for record in records():
            locations = record["protocolSection"].get("contactsLocationsModule", {}).get("locations", [])
            seen |= {location["country"] for location in locations if "country" in location}
            seen |= set(record.get("derivedSection", {}).get("miscInfoModule", {}).get("removedCountries", []))
        with tarfile.open(shared("corpus", "ctgov_xml", "records.tar.gz")) as archive:
            for member in archive:
                if (file := archive.extractfile(member)) is not None:
                    seen |= set(re.findall(r"<country>([^<]*)</country>", file.read().decode()))

        assert len(seen) > 90
        assert seen - TABLES["country"].labels.keys() == set()
