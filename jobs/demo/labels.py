"""The label wordings of the `layout` documents, by language.

Boundary: words only; where they stand is decided in `layouts.py`.
Invariant: within one language and kind of document no wording serves two different fields.
"""

from dataclasses import dataclass

from jobs.demo.answer import Kind
from jobs.demo.wording import Language

Wordings = tuple[str, ...]


@dataclass(frozen=True)
class Labels:
    """All wordings of one language; each tuple holds equal choices."""

    titles: dict[Kind, Wordings]
    number: dict[Kind, Wordings]
    day: dict[Kind, Wordings]
    order_number: dict[Kind, Wordings]
    due_day: dict[Kind, Wordings]
    order_day: Wordings
    customer_number: Wordings
    clerk: Wordings
    recipient: dict[Kind, Wordings]
    sender: Wordings
    total: Wordings
    net: Wordings
    tax: Wordings
    goods: tuple[str, str, str]
    dear: str
    letter_lines: tuple[tuple[str, str], ...]
    mail_from: str
    mail_to: str
    subject: str
    subjects: Wordings
    quoted: str
    quotes: Wordings


def _kinds(invoice: str, letter: str, email: str, delivery_note: str) -> dict[Kind, Wordings]:
    """Wordings per kind, each written as one string with `|` between the choices."""
    texts = (invoice, letter, email, delivery_note)
    return {kind: tuple(text.split("|")) for kind, text in zip(Kind, texts, strict=True)}


_ENGLISH = Labels(
    titles=_kinds("Invoice|Tax invoice|Bill", "Letter", "E-mail", "Delivery note|Packing slip"),
    number=_kinds(
        "Invoice no.|Invoice number|Bill number",
        "Our reference|Our ref.",
        "Ticket|Case number",
        "Delivery note no.|Note number|Slip no.",
    ),
    day=_kinds(
        "Invoice date|Issued on|Date", "Date|Written on", "Date|Sent", "Note date|Issued on|Date"
    ),
    order_number=_kinds(
        "Order no.|Your order|PO number",
        "Your reference|Your ref.",
        "Order no.|Your order|Your reference",
        "Order no.|Your order|PO number",
    ),
    due_day=_kinds("Due date|Payable by", "Reply by", "Reply by", "Delivery date|Expected arrival"),
    order_day=("Order date", "Ordered on"),
    customer_number=("Customer no.", "Account"),
    clerk=("Contact", "Handled by"),
    recipient=_kinds("Bill to|To|Customer", "To", "To", "Ship to|To|Customer"),
    sender=("Seller", "From", "Issued by", "Supplier"),
    total=("Total", "Amount due", "Total due", "Grand total", "To pay"),
    net=("Subtotal", "Net amount"),
    tax=("VAT", "Tax"),
    goods=("Item", "Qty", "Price"),
    dear="Dear",
    letter_lines=(
        ("Please find the details of our account below.", "Kind regards"),
        ("We refer to our recent conversation.", "Yours sincerely"),
        ("Please let us have your answer soon.", "Best wishes"),
    ),
    mail_from="From",
    mail_to="To",
    subject="Subject",
    subjects=("Our conversation", "Your request", "Next steps", "Open question"),
    quoted="On {day}, {person} ({company}) wrote:",
    quotes=("When can we expect your answer?", "Please send us the details."),
)

_GERMAN = Labels(
    titles=_kinds("Rechnung", "Brief|Schreiben", "E-Mail", "Lieferschein"),
    number=_kinds(
        "Rechnungsnummer|Rechnung Nr.",
        "Unser Zeichen",
        "Vorgang|Ticket",
        "Lieferscheinnummer|Lieferschein Nr.",
    ),
    day=_kinds("Rechnungsdatum|Datum", "Datum", "Datum|Gesendet", "Ausgestellt am|Datum"),
    order_number=_kinds(
        "Bestellnummer|Auftrag", "Ihr Zeichen", "Bestellnummer|Auftrag", "Bestellnummer|Auftrag"
    ),
    due_day=_kinds("Zahlbar bis|Fällig am", "Antwort bis", "Antwort bis", "Lieferdatum"),
    order_day=("Bestelldatum", "Bestellt am"),
    customer_number=("Kundennummer", "Konto"),
    clerk=("Ansprechpartner", "Bearbeiter"),
    recipient=_kinds("Empfänger|An|Kunde", "An|Empfänger", "An", "Empfänger|An|Kunde"),
    sender=("Absender", "Verkäufer", "Lieferant"),
    total=("Gesamtbetrag", "Rechnungsbetrag", "Zu zahlen"),
    net=("Zwischensumme", "Nettobetrag"),
    tax=("MwSt.", "Umsatzsteuer"),
    goods=("Artikel", "Menge", "Preis"),
    dear="Guten Tag",
    letter_lines=(
        ("Die Einzelheiten finden Sie hier.", "Mit freundlichen Grüßen"),
        ("Wir beziehen uns auf unser Gespräch.", "Freundliche Grüße"),
    ),
    mail_from="Von",
    mail_to="An",
    subject="Betreff",
    subjects=("Unser Gespräch", "Ihre Anfrage", "Offene Frage"),
    quoted="Am {day} schrieb {person} ({company}):",
    quotes=("Wann bekommen wir Ihre Antwort?", "Bitte senden Sie uns die Einzelheiten."),
)

_FRENCH = Labels(
    titles=_kinds("Facture", "Lettre|Courrier", "Courriel", "Bon de livraison"),
    number=_kinds(
        "Facture no|Numéro de facture", "Notre référence", "Dossier", "Bon no|Numéro du bon"
    ),
    day=_kinds("Date de facture|Date", "Date", "Date|Envoyé le", "Émis le|Date"),
    order_number=_kinds(
        "Commande|Bon de commande", "Votre référence", "Commande", "Commande|Votre commande"
    ),
    due_day=_kinds("Échéance|À payer avant", "Réponse avant", "Réponse avant", "Date de livraison"),
    order_day=("Date de commande", "Commandé le"),
    customer_number=("Numéro client", "Compte"),
    clerk=("Contact", "Suivi par"),
    recipient=_kinds("Client|Destinataire", "Destinataire", "À", "Livré à|Destinataire"),
    sender=("Vendeur", "Expéditeur", "Fournisseur"),
    total=("Total TTC", "Montant dû", "Net à payer"),
    net=("Total HT", "Sous-total"),
    tax=("TVA", "Taxe"),
    goods=("Article", "Quantité", "Prix"),
    dear="Bonjour",
    letter_lines=(
        ("Vous trouverez les détails dans ce message.", "Cordialement"),
        ("Nous revenons sur notre conversation.", "Salutations distinguées"),
    ),
    mail_from="De",
    mail_to="À",
    subject="Objet",
    subjects=("Notre conversation", "Votre demande", "Question ouverte"),
    quoted="Le {day}, {person} ({company}) a écrit :",
    quotes=("Quand aurons-nous votre réponse ?", "Merci de nous envoyer les détails."),
)

_BY_LANGUAGE = {
    Language.ENGLISH: _ENGLISH,
    Language.GERMAN: _GERMAN,
    Language.FRENCH: _FRENCH,
}


def labels_of(language: Language) -> Labels:
    """The wordings of that language."""
    return _BY_LANGUAGE[language]
