"""Writes a registry record as the text of a study's page: the way back that the tests of the page reader need."""

from __future__ import annotations

from typing import Any

SENTENCES = {
    "Basic Information": "Get a concise snapshot of the trial, including recruitment status, study phase, enrollment "
    "targets, and key timeline milestones.",
    "Brief Summary": "Review the sponsor-provided synopsis that highlights what the study is about and why it is being "
    "conducted.",
    "Detailed Description": "Dive into the extended narrative that explains the scientific background, objectives, and "
    "procedures in greater depth.",
    "Conditions": "See the medical conditions and disease areas that this research is targeting or investigating.",
    "Study Design": "Understand how the trial is structured, including allocation methods, masking strategies, primary "
    "purpose, and other design elements.",
    "Study Groups": "Review each arm or cohort in the study, along with the interventions and objectives associated "
    "with them.",
    "Interventions": "Learn about the drugs, procedures, or behavioral strategies being tested and how they are applied "
    "within this trial.",
    "Eligibility Criteria": "Check the participation requirements, including inclusion and exclusion rules, age limits, "
    "and whether healthy volunteers are accepted.",
    "Sponsors": "Meet the organizations funding or collaborating on the study and learn about their roles.",
    "Responsible Party": "Identify the individual or organization who holds primary responsibility for the study "
    "information submitted to regulators.",
    "Principal Investigators": "Learn about the lead researchers overseeing the trial and their institutional "
    "affiliations.",
    "Locations": "Explore where the study is taking place and check the recruitment status at each participating site.",
    "Countries": "Review the countries where the study has at least one active or historical site.",
    "Central Contacts": "Reach out to these primary contacts for questions about participation or study logistics.",
    "Facility Contacts": "Find local site contact details for specific facilities participating in the trial.",
    "Other Identifiers": "Review additional registry numbers or institutional identifiers associated with this trial.",
}


def write_page(record: dict[str, Any]) -> str:
    """The page of a record, block by block, with a blank line between all lines."""
    protocol = record["protocolSection"]
    module = {name: protocol.get(name, {}) for name in _MODULES}
    identification, status, design = (module[f"{name}Module"] for name in ("identification", "status", "design"))
    lines = [identification.get("briefTitle"), _labelled("NCT ID:", identification.get("nctId"))]
    lines += [_labelled("Last Updated:", status.get("lastUpdatePostDateStruct", {}).get("date"))]
    lines += _block("Basic Information", _basic(status, design))
    lines += _block("Brief Summary", [module["descriptionModule"].get("briefSummary")])
    lines += _block("Detailed Description", [module["descriptionModule"].get("detailedDescription")])
    lines += _block("Conditions", module["conditionsModule"].get("conditions", []))
    info = design.get("designInfo", {})
    lines += _block(
        "Study Design",
        [
            *_field("Allocation Method", info.get("allocation")),
            *_field("Intervention Model", info.get("interventionModel")),
            *_field("Primary Study Purpose", info.get("primaryPurpose")),
            *_field("Blinding Strategy", info.get("maskingInfo", {}).get("masking")),
        ],
    )
    lines += _arms(module["armsInterventionsModule"])
    lines += _eligibility(module["eligibilityModule"])
    lines += _people(module)
    return "\n\n".join(line for line in lines if line is not None) + "\n"


_MODULES = [
    "identificationModule",
    "statusModule",
    "sponsorCollaboratorsModule",
    "descriptionModule",
    "conditionsModule",
    "designModule",
    "armsInterventionsModule",
    "eligibilityModule",
    "contactsLocationsModule",
]


def _basic(status: dict[str, Any], design: dict[str, Any]) -> list[str | None]:
    count = design.get("enrollmentInfo", {}).get("count")
    return [
        *_field("Recruitment Status", status.get("overallStatus")),
        *_field("Clinical Phase", "/".join(design.get("phases", [])) or None),
        *_field("Total Enrollment", None if count is None else f"{count} participants"),
        *_field("Study Classification", design.get("studyType")),
        *_field("Study Start Date", status.get("startDateStruct", {}).get("date")),
        *_field("Study Completion Date", status.get("completionDateStruct", {}).get("date")),
    ]


def _arms(arms: dict[str, Any]) -> list[str | None]:
    listed = arms.get("interventions", [])
    groups: list[str | None] = []
    for arm in arms.get("armGroups", []):
        groups += [arm.get("label"), arm.get("description"), _labelled("Group Type", arm.get("type"))]
        for found in listed:
            if arm.get("label") in found.get("armGroupLabels", []):
                groups += [found["name"], _labelled("Intervention Type", found["type"]), found.get("description")]
    interventions = [
        line
        for found in listed
        for line in (found["name"], found.get("description"), _labelled("Intervention Type", found["type"]))
    ]
    return [*_block("Study Groups", groups), *_block("Interventions", interventions)]


def _eligibility(module: dict[str, Any]) -> list[str | None]:
    criteria = "\n".join(
        line[:-1] if line in ("Inclusion Criteria:", "Exclusion Criteria:") else line
        for line in module.get("eligibilityCriteria", "").split("\n")
    )
    volunteers = module.get("healthyVolunteers")
    return _block(
        "Eligibility Criteria",
        [
            criteria or None,
            *_field("Minimum Eligible Age", module.get("minimumAge")),
            *_field("Maximum Eligible Age", module.get("maximumAge")),
            *_field("Eligible Sex", module.get("sex")),
            *_field("Accepts Healthy Volunteers", None if volunteers is None else "Yes" if volunteers else "No"),
        ],
    )


def _people(module: dict[str, dict[str, Any]]) -> list[str | None]:
    sponsors: list[str | None] = []
    party = module["sponsorCollaboratorsModule"]
    for role, found in [
        *(("lead", sponsor) for sponsor in [party.get("leadSponsor")] if sponsor),
        *(("collaborator", sponsor) for sponsor in party.get("collaborators", [])),
    ]:
        sponsors += [found.get("name"), found.get("class"), f"Sponsor Role {role}"]
    responsible = party.get("responsibleParty", {})
    contacts = module["contactsLocationsModule"]
    officials: list[str | None] = []
    for found in contacts.get("overallOfficials", []):
        officials += [found.get("name"), _labelled("Role:", found.get("role")), found.get("affiliation")]
    places: list[str | None] = []
    sites = contacts.get("locations", [])
    for site in sites:
        place = ", ".join(site[name] for name in ("city", "state", "country") if name in site)
        places += [site.get("facility"), place, _labelled("Site Status", site.get("status", "-"))]
    local = sites[0].get("contacts", []) if len(sites) == 1 else []
    identifiers: list[str | None] = []
    for source, numbers in (
        ("org_study_id", [module["identificationModule"].get("orgStudyIdInfo")]),
        ("secondary_id", module["identificationModule"].get("secondaryIdInfos", [])),
    ):
        for found in filter(None, numbers):
            identifiers += [
                found.get("id"),
                f"Identifier Type: {found.get('type', '-')}",
                f"Identifier Source: {source}",
            ]
    return [
        *_block("Sponsors", sponsors),
        *_block(
            "Responsible Party",
            [
                responsible.get("investigatorFullName"),
                responsible.get("investigatorTitle"),
                _labelled("Responsibility Role", responsible.get("type")),
            ],
        ),
        *_block("Principal Investigators", officials),
        *_block("Locations", places),
        *_block("Countries", list(dict.fromkeys(site["country"] for site in sites if "country" in site))),
        *_block(
            "Central Contacts", [line for found in contacts.get("centralContacts", []) for line in _contact(found)]
        ),
        *_block("Facility Contacts", [line for found in local for line in _contact(found)]),
        *_block("Other Identifiers", identifiers),
    ]


def _contact(found: dict[str, Any]) -> list[str | None]:
    return [
        found.get("name"),
        _labelled("Role:", found.get("role")),
        _labelled("Phone:", found.get("phone")),
        _labelled("Email:", found.get("email")),
    ]


def _block(title: str, lines: list[str | None]) -> list[str | None]:
    return [title, SENTENCES[title], *lines] if any(line is not None for line in lines) else []


def _field(title: str, value: str | None) -> list[str | None]:
    return [] if value is None else [title, value]


def _labelled(label: str, value: str | None) -> str | None:
    return None if value is None else f"{label} {value}"
