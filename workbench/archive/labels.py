"""Labels from the words of a column or a folder: words go in, labels and a count of them come out.

A word of the table below means what it says, in the languages in which plants write their tables; any other word is a
defect type. So the table holds whole words only, and none that are also names of defects. What may mean either
("yes", "true", "negative", the Polish "brak", which is both "none" and "reject") is not guessed: the picture stays
without a label, and the word is told.

Numbers: 0 is good and 1 defective, unless the column has a number above 1: then they are numbers of types, 1 among
them. Negative numbers and fractions are told, for they are outlier flags or scores, in one tool one way, in the next
the other.

Knows nothing of files.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from workbench import wording

Meaning = Literal["good", "defective", "type", "unlabelled", "unclear"]

# English, German, French, Spanish, Italian, Portuguese, Dutch, Polish; compared without case, accents, blanks, . _ - /
_WORDS: dict[Meaning, str] = {
    "good": """
        ok, okay, okey, good, pass, passed, passes, normal, none, no defect, no defects, without defect, without
        defects, defect free, non defective, not defective, no anomaly, no anomalies, anomaly free, not anomalous, non
        anomalous, no fault, fault free, no damage, undamaged, flawless, no issue, no issues, nominal, accept,
        accepted, acceptable, conforming, conform, conformant, conforms, compliant, in order, good part, in spec, all
        good
        |gut, in ordnung, i.O., fehlerfrei, fehlerlos, kein Fehler, keine Fehler, ohne Fehler, mängelfrei, kein
        Mangel, keine Mängel, ohne Mängel, kein Defekt, keine Defekte, defektfrei, kein Schaden, unbeschädigt, keine,
        keiner, kein, einwandfrei, bestanden, angenommen, akzeptiert, konform, Gutteil, ohne Befund, keine
        Auffälligkeiten, unauffällig, nicht defekt, keine Anomalie
        |bon, bonne, bons, bonnes, conforme, conformes, sans défaut, sans défauts, aucun défaut, pas de défaut, aucun,
        aucune, accepté, acceptée, normale, sans anomalie, aucune anomalie, intact, rien à signaler
        |bueno, buena, buenos, buenas, bien, correcto, correcta, sin defecto, sin defectos, ningún defecto, ninguno,
        ninguna, aceptado, aceptada, aceptable, aprobado, aprobada, sin anomalía, sin anomalías, sin daños
        |buono, buona, senza difetti, senza difetto, nessun difetto, nessuno, nessuna, accettato, accettata,
        approvato, approvata, idoneo, idonea, nessuna anomalia, senza anomalie, regolare
        |bom, boa, sem defeito, sem defeitos, nenhum defeito, nenhum, nenhuma, aprovado, aprovada, aceito, aceita,
        aceite, sem anomalia, sem anomalias
        |goed, in orde, geen, geen defect, geen defecten, geen fout, geen fouten, zonder defecten, zonder fouten,
        foutloos, goedgekeurd, normaal, akkoord, geaccepteerd, onbeschadigd, geen afwijking, geen afwijkingen
        |dobry, dobra, dobre, w porządku, bez wad, bez wady, brak wad, brak wady, brak defektów, bez defektów,
        prawidłowy, prawidłowa, prawidłowe, zgodny, zgodna, zgodne, zaakceptowany, zaakceptowana, normalny, normalna,
        w normie
    """,
    "defective": """
        nok, not ok, not okay, n.ok, non ok, ng, not good, no good, fail, failed, fails, failure, bad, reject,
        rejected, rejects, defect, defects, defective, has defect, with defect, anomaly, anomalies, anomalous,
        abnormal, abnormality, not normal, non normal, faulty, fault, nonconforming, not conforming, nonconformant,
        nonconformity, noncompliant, not compliant, not accepted, not acceptable, unacceptable, not passed, not pass,
        out of spec, k.o., outlier, bad part
        |schlecht, n.i.O., nicht in Ordnung, nicht OK, fehlerhaft, Fehler, mangelhaft, Mangel, Mängel, defekt,
        defekte, Ausschuss, Schlechtteil, nicht bestanden, durchgefallen, abgelehnt, zurückgewiesen, nicht konform,
        beanstandet, nicht normal, Anomalie, Anomalien, anomal, anormal, auffällig, nicht gut
        |mauvais, mauvaise, mauvaises, défectueux, défectueuse, défaut, défauts, non conforme, pas conforme, refusé,
        refusée, rejeté, rejetée, rebut, anormale, anomalies, pas OK, pas bon, pas bonne
        |malo, mala, malos, malas, defectuoso, defectuosa, defecto, defectos, no conforme, rechazado, rechazada,
        rechazo, anómalo, anómala, anomalía, anomalías, fallo, no OK, no bueno, no apto, con defecto
        |cattivo, cattiva, difettoso, difettosa, difetto, difetti, scarto, scartato, scartata, rifiutato, respinto,
        respinta, anomala, non buono, non buona, non idoneo, non regolare
        |ruim, mau, defeituoso, defeituosa, defeito, defeitos, não conforme, rejeitado, rejeitada, reprovado,
        reprovada, anômalo, refugo, não OK, com defeito
        |slecht, fout, foutief, defecten, gebrekkig, afgekeurd, afkeur, niet goed, niet in orde, niet OK, abnormaal,
        afwijkend, afwijking, geweigerd, niet akkoord, niet normaal
        |zły, zła, złe, wada, wady, wadliwy, wadliwa, wadliwe, niezgodny, niezgodna, niezgodne, odrzucony, odrzucona,
        odrzut, nieprawidłowy, nieprawidłowa, nieprawidłowe, niedobry, niedobra, nie ok, nienormalny
    """,
    "unlabelled": """
        unknown, n/a, #n/a, <na>, nan, nat, null, nil, not available, not applicable, undefined, undetermined,
        unlabelled, unlabeled, no label, not labelled, not labeled, tbd, to be determined, todo, pending, not
        inspected, uninspected, not checked, unchecked, unsure, not sure, not known, missing label, not annotated,
        unannotated, unspecified
        |unbekannt, keine Angabe, keine Angaben, ungeprüft, nicht geprüft, unklar, unbestimmt, #NV, nicht bekannt
        |inconnu, inconnue, non renseigné, non renseignée, indéterminé, indéterminée, à vérifier, sans étiquette, non
        vérifié
        |desconocido, desconocida, indeterminado, indeterminada, sin etiqueta, sin datos, no disponible, sin revisar
        |sconosciuto, sconosciuta, ignoto, ignota, indeterminato, non noto, non disponibile, non verificato
        |desconhecido, desconhecida, não informado, sem rótulo, sem dados, não disponível, não verificado
        |onbekend, niet bekend, n.v.t., niet van toepassing, niet gecontroleerd, geen gegevens, ongecontroleerd
        |nieznany, nieznana, nieznane, brak danych, nie dotyczy, nieokreślony, nieokreślona, nie sprawdzono
    """,
    "unclear": """
        yes, no, true, false, y, n, t, f, ja, nein, oui, non, si, sim, não, nee, tak, nie, wahr, falsch, vrai, faux,
        vero, falso, verdadero, verdadeiro, waar, onwaar, prawda, fałsz, positive, negative, positiv, negativ,
        positif, négatif, positivo, negativo, positief, negatief, pozytywny, negatywny, pos, neg, brak, nc, maybe,
        ok/nok, nok/ok, good/bad, pass/fail
    """,
}
_DOTTED: dict[str, Meaning] = {"k.a.": "unlabelled", "o.b.": "good", "r.a.s.": "good"}  # without dots, codes of types
_SILENT = frozenset("-–—−?._…/*")  # a cell of nothing else says nothing
_APART = re.compile(r"[\s._/\-–—'’]+")  # what parts the words of a label
_NUMBER = re.compile(r"([+-]?)(0|[1-9]\d*)(?:[.,](\d+))?")


@dataclass(frozen=True, slots=True)
class Label:
    """What a word means."""

    meaning: Meaning
    defect: str | None = None  # the type, where the word is one

    @property
    def label(self) -> str | None:
        """As entries have it: good, defective, or None where the word doesn't say."""
        return {"good": "good", "defective": "defective", "type": "defective"}.get(self.meaning)


def read(word: str, numbered: bool = False) -> Label:
    """What the word means.

    Args:
        word: as a table or a folder has it.
        numbered: its numbers are those of types, 0 is still good.
    """
    plain = " ".join(unicodedata.normalize("NFC", word).split())
    if number := _NUMBER.fullmatch(unicodedata.normalize("NFKC", plain)):
        return _of_number(number, numbered)
    if set(plain) <= _SILENT:
        return Label("unlabelled")
    key = _key(plain)
    if meaning := _TABLE.get(key) or _DOTTED.get(plain.casefold().replace(" ", "")):
        return Label(meaning)
    bare = "".join(letter for letter in key if letter.isalnum())
    if not bare or bare in _TABLE or bare in ("0", "1"):  # "ok?", "!ok", "(1)", a tick: close to a word, and not it
        return Label("unclear")
    return Label("type", plain)


def read_column(words: Iterable[str]) -> dict[str, Label]:
    """What each word of one column means there; its numbers are read together."""
    distinct = set(words)
    numbers = {word: number for word in distinct if (number := _NUMBER.fullmatch(word.strip()))}
    meanings = {word: read(word, numbered=_has_types(numbers.values())) for word in distinct}
    if any(number[1] == "-" and int(number[2]) for number in numbers.values()):  # 1 is then the inlier, or isn't
        meanings |= {word: Label("unclear") for word in numbers}
    return meanings


def counts(words: Mapping[str, int], meanings: Mapping[str, Label], types: int = 5) -> str:
    """What a column meant, in words: `212 good (OK), 0 defective, 3,100 of type 1, 4 without a label (n/a)`.

    Args:
        words: how often each word stands there.
        meanings: of each word.
        types: so many are named, the most frequent first.
    """
    of_meaning: dict[Meaning, Counter[str]] = {meaning: Counter() for meaning in get_args(Meaning)}
    for word, count in words.items():
        read_as = meanings[word]
        of_meaning[read_as.meaning][read_as.defect or word.strip()] += count
    said = [f"{_count(of_meaning[meaning])} {meaning}{_words(of_meaning[meaning])}" for meaning in _TWO]
    found = of_meaning["type"].most_common()
    said += [f"{count:,} of type {defect}" for defect, count in found[:types]]
    if found[types:]:
        others = len(found) - types
        said.append(f"{sum(count for _, count in found[types:]):,} of {wording.counted(others, 'other type')}")
    for meaning, what in _NEITHER:
        if of_meaning[meaning]:
            said.append(f"{_count(of_meaning[meaning])} {what}{_words(of_meaning[meaning])}")
    return ", ".join(said)


_TWO: tuple[Meaning, ...] = ("good", "defective")
_NEITHER: tuple[tuple[Meaning, str], ...] = (
    ("unlabelled", "without a label"),
    ("unclear", "unclear and without a label"),
)


def _count(words: Counter[str]) -> str:
    return f"{words.total():,}"


def _words(words: Counter[str], shown: int = 6) -> str:
    """In brackets, so that a person sees which word was read so."""
    named = [word or "empty" for word, _ in words.most_common(shown)]
    more = ", ..." if len(words) > shown else ""
    return f" ({', '.join(named)}{more})" if words else ""


def _has_types(numbers: Iterable[re.Match[str]]) -> bool:
    """Whether one of them is above 1, and all are whole: numbers of types."""
    whole = [int(number[2]) for number in numbers if not (number[3] or "").strip("0")]
    return max(whole, default=0) > 1


def _of_number(number: re.Match[str], numbered: bool) -> Label:
    sign, whole, fraction = number.groups()
    if (fraction or "").strip("0") or (sign == "-" and int(whole)):
        return Label("unclear")
    if int(whole) == 0:
        return Label("good")
    return Label("defective") if int(whole) == 1 and not numbered else Label("type", str(int(whole)))


def _key(word: str) -> str:
    """The word without case, accents, what parts its words, and quotes or a full stop around it."""
    letters = unicodedata.normalize("NFKD", word.casefold().replace("ł", "l"))
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return _APART.sub("", bare.strip("\"'`.;:, "))


_TABLE: dict[str, Meaning] = {
    _key(word): meaning for meaning, words in _WORDS.items() for word in re.split(r"[,|]", words) if word.strip()
}
