"""Words that claim a defect or none, in English, German, French, Spanish, Italian, Portuguese, Dutch, Polish.

Whole words only: an option is read when nothing but known words stands in it, so "A good deal of rust" says nothing
here, and a prefix never decides. A negation turns what follows it ("Not normal", "nicht i.O.", "sin defectos") or, as
in "defect-free", what stands before it. A bare yes or no claims whatever the question asks for, if that can be told.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from warehouse.records.scoring import OptionClaim

Sign = Literal["defective", "good"]


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GOOD = _set(
    "ok okay okey io good normal nominal fine pass passes passed conforms accept accepted acceptable conforming "
    "conform conformant conformal "
    "compliant intact undamaged unblemished flawless faultless perfect nondefective go "
    "gut guter gute gutes normaler normale normales einwandfrei fehlerfrei fehlerlos defektfrei mangelfrei makellos "
    "schadensfrei unbeschadigt unauffallig bestanden angenommen akzeptiert konform konforme intakt gutteil "
    "bon bonne bons bonnes conformes normal normale normaux conforme intacte accepte acceptee "
    "bueno buena buenos buenas bien apto apta aceptado aceptada aceptable aprobado aprobada intacto intacta "
    "buono buona normale accettato accettata accettabile approvato approvata regolare idoneo idonea integro "
    "integra intatto intatta "
    "bom boa aprovado aprovada aceito aceita aceite aceitavel "
    "goed normaal akkoord goedgekeurd geaccepteerd foutloos onbeschadigd defectvrij foutvrij "
    "dobry dobra dobre normalny normalna normalne zgodny zgodna zgodne prawidlowy prawidlowa prawidlowe sprawny "
    "akceptowany zaakceptowany zaakceptowana zaakceptowano przyjety nieuszkodzony nieuszkodzona niewadliwy niewadliwa"
)
_DEFECTIVE = _set(
    "nok ng nio bad abnormal anomalous nonconforming nonconformant noncompliant nonconformity unacceptable reject "
    "rejects ko abnormality issue issues outlier fails "
    "rejected fail failed faulty flawed defective damaged broken imperfect scrap nonnormal "
    "defect defects anomaly anomalies anomal flaw flaws damage damages fault faults failure "
    "schlecht schlechter schlechte schlechtes defekt defekte defekter defektes defekten fehlerhaft fehlerhafte "
    "fehlerhafter mangelhaft mangelhafte beschadigt beschadigte abnorm anormal anomale unbrauchbar ausschuss "
    "schlechtteil auffallig auffalligkeit auffalligkeiten beanstandet durchgefallen abgelehnt zuruckgewiesen "
    "unnormal fehler mangel anomalie anomalien schaden "
    "beschadigung beschadigungen "
    "mauvais mauvaise mauvaises anormale defectueux defectueuse abime abimee endommage endommagee rebut rejete "
    "rejetee refuse "
    "refusee defaut defauts anormaux "
    "malo mala malos malas rechazo anomalo anomala defectuoso defectuosa danado danada rechazado rechazada "
    "defecto defectos anomalia "
    "anomalias dano danos fallo fallos "
    "cattivo cattiva difettoso difettosa difetto difetti scarto scartato scartata danneggiato danneggiata guasto "
    "rifiutato rifiutata respinta "
    "respinto danno danni anomali "
    "ruim mau defeituoso defeituosa defeito defeitos danificado danificada reprovado reprovada rejeitado "
    "rejeitada refugo "
    "slecht defecte defecten gebrekkig afkeur abnormaal geweigerd afgekeurd afwijkend beschadigd gebrek gebreken "
    "fout fouten afwijking afwijkingen schade "
    "foutief "
    "zly zla zle wadliwy wadliwa wadliwe wada wady wad wade uszkodzony uszkodzona uszkodzone uszkodzenie uszkodzenia "
    "uszkodzen usterka usterki usterek usterke niezgodny niezgodna niezgodne nieprawidlowy nieprawidlowa "
    "nieprawidlowe nienormalny nienormalna niedobry niesprawny niedobra odrzut odrzucony odrzucona odrzucono "
    "defektu defektow "
    "defekty anomalii"
)
_NOT = _set(
    "no not non none never neither nothing nicht nichts kein keine keiner keinen keinerlei pas aucun aucune ningun "
    "ninguno ninguna nessun nessuno nessuna nao nenhum nenhuma niet geen nie zaden zadna zadnych zadnej"
)
_WITHOUT = _set(
    "free without absent ohne frei sans libre exempt sin senza privo priva sem zonder vrij bez brak lacks lacking"
)  # a negation that may also stand behind, and that a question may hold without asking the opposite
# What may stand beside: it says of whom or how, never whether.
_BESIDE = _set(
    "a an the it its this that these those there here is are was were be been has have had shows show showing looks "
    "look appears appear seems seem to of in on at from with within any some visible obvious apparent clear clearly "
    "evident all single other another found detected seen present exists exist identified spotted noticed "
    "contains contain "
    "object objects item items part parts piece product products component sample samples image picture photo surface "
    "condition state quality overall completely fully totally one status result "
    "der die das ein eine einen einem einer es ist sind hat liegt vor sichtbar sichtbare sichtbarer sichtbaren "
    "sichtbares erkennbar erkennbare vorhanden gefunden erkannt teil bauteil werkstuck produkt objekt bild oberflache "
    "zustand im am auf von "
    "le la les un une des de du ce cet cette il y est sont ne visible visibles detecte detectee present presente piece "
    "produit objet surface etat en dans sur au "
    "el los las una unos unas esta este hay es son se ha detectado encontrado pieza producto objeto superficie estado "
    "con lo il gli i uno di del della e ci sono rilevato trovato presenza presenti pezzo prodotto oggetto superfici "
    "stato nel nella o os as um uma no na do da ha foi detectado encontrada peca produto estado com "
    "de het een er zijn zit heeft zichtbaar zichtbare gevonden gedetecteerd aanwezig onderdeel stuk voorwerp product "
    "oppervlak staat op "
    "jest sa ma to ten ta widoczny widoczna widoczne widocznych widac wykryto znaleziono stwierdzono czesc element "
    "wyrob produkt obiekt przedmiot powierzchni na w stan"
) - (_NOT | _WITHOUT)
_YES = _set("yes y ja j oui si sim tak true wahr vrai verdadero verdadeiro vero waar prawda")
_NO = _set("no n nein non nao nee nie false falsch faux falso onwaar falsz")
_CANNOT_SAY = frozenset(
    {
        "cannot say", "cannot tell", "cannot be determined", "cannot determine", "cannot decide", "i cannot tell",
        "i cannot say", "not sure", "i am not sure", "unsure", "uncertain", "unclear", "unknown", "undetermined",
        "undecided", "inconclusive", "i do not know", "do not know", "not determinable", "hard to say", "maybe",
        "unklar", "unsicher", "unbekannt", "weiss nicht", "ich weiss nicht", "ich weiss es nicht", "keine angabe",
        "nicht erkennbar", "nicht bestimmbar", "nicht feststellbar", "vielleicht",
        "incertain", "je ne sais pas", "inconnu", "indetermine", "impossible a dire", "pas clair", "pas sur",
        "no se", "no lo se", "no se sabe", "incierto", "desconocido", "indeterminado", "no esta claro",
        "non so", "non lo so", "incerto", "sconosciuto", "indeterminato", "non e chiaro",
        "nao sei", "desconhecido", "nao esta claro", "nao se sabe",
        "onduidelijk", "onzeker", "onbekend", "weet niet", "weet ik niet", "ik weet het niet", "niet duidelijk",
        "nie wiem", "niepewne", "niepewny", "nieznane", "nieznany", "niejasne", "trudno powiedziec",
    }
)  # fmt: skip
# Names of nothing, where a question after the detection question offers them.
_NOTHING = _set(
    "no none nowhere nothing keine keiner keines nirgends nirgendwo nichts aucun aucune rien ninguno ninguna nada "
    "nessuno nessuna niente nenhum nenhuma geen nergens niets zaden zadna nigdzie nic"
)
_THERE_IS_NO = re.compile(r"^(there (is|are) no|no (visible|obvious)) ")

_REWRITTEN = (
    (re.compile(r"\bn\s*\.\s*i\s*\.\s*o\b\.?"), " nio "),
    (re.compile(r"\bi\s*\.\s*o\b\.?"), " io "),
    (re.compile(r"\bn\s*\.\s*o\s*\.\s*k\b\.?"), " nok "),
    (re.compile(r"\bo\s*\.\s*k\b\.?"), " ok "),
    (re.compile(r"\bk\s*\.\s*o\b\.?"), " ko "),
    (re.compile(r"\bn\s*\.?\s*ok\b"), " nok "),
    (re.compile(r"\bout of spec(?:ification)?\b"), "defect"),
    (re.compile(r"\b(?:(?:in|within) spec(?:ification)?|ohne befund|w normie)\b"), "ok"),
    (re.compile(r"\bn\s*\.\s*g\b\.?"), " ng "),
    (re.compile(r"\bcan('t|not)\b|\bcan not\b"), "cannot"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\bn'(?=\w)"), " "),  # n'est pas: the other half is the negation
    (re.compile(r"\b(?:[dl]|qu)'(?=\w)"), " "),
    (re.compile(r"\b(?:in ordnung|in orde|in order|w porzadku|en ordre|en regle|en bon etat|en buen estado)\b"), "ok"),
    (re.compile(r"\b(?:something|anything) (?:is )?(?:wrong|off)\b"), "defect"),
    (re.compile(r"\bnothing (?:is )?(?:wrong|off)\b"), "no defect"),
    # Of the other options, not of defects: "None of these; the object is normal."
    (re.compile(r"\bnone of (?:these|those|them|the above)\b|\bkeine[rs]? (?:davon|der genannten)\b"), " "),
    (re.compile(r"\b(?:aucune? +entre eux|ningun[oa] de (?:estos|ellos)|nessuno di questi)\b"), " "),
)
_CLAUSE = re.compile(r"[,;.:!?()\[\]{}\n]|\s[-–—]\s")
# What the picture is compared with isn't what is asked.
_COMPARED = re.compile(
    r"\b(?:to|with|from|than|as|unlike|like|beside|against|under|given)\s+(?:(?:the|a|an|its|this|that|these)\s+)?"
    r"(?:good|normal|defect free|perfect|intact)\s+\w+"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What an option's words claim, and whether the words alone say so: 0 and 1 are only a custom."""

    claim: OptionClaim
    plain: bool


UNREAD = Reading("unknown", plain=False)


@functools.lru_cache(4096)
def read(option: str, question: str) -> Reading:
    """What choosing an option claims, by its words and, for a yes or no, by what the question asks for."""
    text = _normal(option)
    words = _tokens(text)
    if " ".join(words) in _CANNOT_SAY:
        return Reading("cannot say", plain=True)
    if words in (["0"], ["1"]):
        asked = asks(question)
        return Reading(_meant(words == ["1"], asked or "defective"), plain=False)
    clauses = [each for each in map(_tokens, _CLAUSE.split(text)) if each]
    said = _whether(clauses[0]) if clauses else None
    signs = [_sign(clause, ("not", "without")) for clause in clauses[said is not None :]]
    if None in signs:
        return UNREAD if said is None else _bare(said, question)
    told = {sign for sign in signs if sign != "silent"}
    if len(told) > 1 or (not told and said is None):
        return UNREAD
    return Reading("defective" if "defective" in told else "good", plain=True) if told else _bare(bool(said), question)


@functools.lru_cache(4096)
def asks(question: str) -> Sign | None:
    """Whether a yes to the question claims a defect or that there is none; None where the words don't tell.

    Its last sentence that speaks of either decides. A question that holds a "not" is left alone: languages differ in
    what a yes to it means.
    """
    text = _COMPARED.sub(" ", " ".join(_normal(question).split()))
    for sentence in reversed(re.split(r"[.?!;\n]", text)):
        words = _tokens(sentence)
        if any(word in _GOOD or word in _DEFECTIVE for word in words):
            while words[-1] == "no" or _role(words[-1]) in ("other", "beside"):  # "defeito no objeto?", "yes or no?"
                words.pop()
            sign = _sign([word for word in words if _role(word) != "other"], ("without",))
            return None if sign == "silent" else sign
    return None


def denies(option: str) -> bool:
    """Whether an option of a question that comes after detection says that there is no defect."""
    words = _tokens(_normal(option))
    if len(words) == 1 and words[0] in _NOTHING:
        return True
    return read(option, "").claim == "good" or bool(_THERE_IS_NO.match(" ".join(words) + " "))


def _bare(said: bool, question: str) -> Reading:
    asked = asks(question)
    return Reading(_meant(said, asked), plain=True) if asked else UNREAD


def _meant(said: bool, asked: Sign) -> Sign:
    return asked if said else ("good" if asked == "defective" else "defective")


def _whether(words: list[str]) -> bool | None:
    """Yes, no, or neither."""
    if len(words) != 1:
        return None
    return True if words[0] in _YES else False if words[0] in _NO else None


def _role(word: str) -> str:
    for role, known in (("good", _GOOD), ("defective", _DEFECTIVE), ("not", _NOT), ("without", _WITHOUT)):
        if word in known:
            return role
    return "beside" if word in _BESIDE else "other"


def _sign(words: list[str], negations: tuple[str, ...]) -> Sign | Literal["silent"] | None:
    """What a clause claims; "silent" where it speaks of neither, None where a word is unknown or two differ."""
    found: list[bool] = []  # True: defective
    negated = False
    roles = [_role(word) for word in words]
    for place, role in enumerate(roles):
        if role == "other":
            return None
        if role in ("good", "defective"):
            found.append((role == "defective") != negated)
            negated = False
        elif role in ("not", "without"):
            behind = role == "without" and found and not {"good", "defective"} & set(roles[place:])
            if role not in negations or negated:
                return None
            if behind:
                found[-1] = not found[-1]
            else:
                negated = True
    if negated or len(set(found)) > 1:
        return None  # a negation of nothing turns what stands in another clause, "Defect: no", or doesn't
    if not found:
        return "silent"
    return "defective" if found[0] else "good"


def _normal(text: str) -> str:
    """Lower case without accents, contractions and abbreviations written out."""
    plain = unicodedata.normalize("NFKD", text.casefold()).replace("’", "'").replace("ł", "l").replace("ø", "o")
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    for pattern, instead in _REWRITTEN:
        plain = pattern.sub(instead, plain)
    return plain


def _tokens(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)
