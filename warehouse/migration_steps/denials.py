"""Version 5: which options of a question that isn't a detection question say that there is no defect.

Runs before asked MMAD's questions or those of the inspection protocol, in English; they are read by these words.
"""

from __future__ import annotations

_WORDS = (
    "^(none|no|nothing|nowhere|good|normal|ok|okay|intact|flawless|undamaged|defect[- ]free)[.]?$"
    "|^(there (is|are) )?(no|not any) (visible |obvious )?"
    "(defects?|anomal(y|ies)|damages?|flaws?|faults?|abnormalit(y|ies)|abnormal)\\b"
    "|^(it is |the (object|image|product|part|sample) is )?"
    "(good|normal|intact|flawless|undamaged|defect[- ]free|not defective|not damaged)[.]?$"
    "|^there (is|are) no "
)
# Over a row of predictions or disputes.
NO_DEFECT = f"""CASE WHEN claims IS NULL THEN list_transform(
    list_filter(options, lambda option: regexp_matches(lower(trim(option.text)), '{_WORDS}')),
    lambda option: option.letter) END"""
