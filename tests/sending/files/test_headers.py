"""What columns hold, by the names that programs and people give them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.sending.files.headers import ColumnKind, is_family_name_beside, kind_of, words_of

MOBILE, PHONE, LANDLINE, OTHER = (
    ColumnKind.MOBILE,
    ColumnKind.PHONE,
    ColumnKind.LANDLINE,
    ColumnKind.OTHER_PHONE,
)
EXCLUDED, NUMBER, UNKNOWN = ColumnKind.EXCLUDED_PHONE, ColumnKind.NUMBER, ColumnKind.UNKNOWN
FULL, FIRST, LAST, PART, COMPANY = (
    ColumnKind.FULL_NAME,
    ColumnKind.FIRST_NAME,
    ColumnKind.LAST_NAME,
    ColumnKind.NAME_PART,
    ColumnKind.COMPANY,
)

OUTLOOK = {
    FIRST: ["First Name"],
    LAST: ["Last Name"],
    COMPANY: ["Company"],
    MOBILE: ["Mobile Phone"],
    PHONE: ["Primary Phone"],
    LANDLINE: ["Business Phone", "Business Phone 2", "Home Phone", "Home Phone 2"],
    OTHER: ["Other Phone", "Car Phone", "Callback Phone"],
    EXCLUDED: [
        "Assistant's Phone",
        "Company Main Phone",
        "Business Fax",
        "Home Fax",
        "Other Fax",
        "Radio Phone",
        "TTY/TDD Phone",
        "Pager",
    ],
    UNKNOWN: [
        *("Title", "Middle Name", "Suffix", "Department", "Job Title", "Business Street"),
        *("Business City", "Business State", "Business Postal Code", "Home Country/Region"),
        *("Account", "Anniversary", "Billing Information", "Birthday", "Business Address PO Box"),
        *("E-mail Address", "E-mail Display Name", "Government ID Number", "Manager's Name"),
        *("Organizational ID Number", "Spouse", "User 1", "Web Page", "Given Yomi", "Company Yomi"),
        *("Assistant's Name", "ISDN", "Telex", "Referred By", "Notes", "Mileage", "Location"),
    ],
}
OUTLOOK_IN_GERMAN = {
    FIRST: ["Vorname"],
    LAST: ["Nachname"],
    COMPANY: ["Firma"],
    MOBILE: ["Mobiltelefon"],
    PHONE: ["Haupttelefon"],
    LANDLINE: [
        "Telefon geschäftlich",
        "Telefon geschäftlich 2",
        "Telefon (privat)",
        "Telefon Firma",
    ],
    OTHER: ["Weiteres Telefon", "Autotelefon"],
    EXCLUDED: ["Fax geschäftlich", "Fax privat", "Weiteres Fax", "Telefon Assistent", "Pager"],
    UNKNOWN: [
        *("Anrede", "Weitere Vornamen", "Suffix", "Abteilung", "Position", "Straße geschäftlich"),
        *("Ort geschäftlich", "Postleitzahl geschäftlich", "E-Mail-Adresse", "Geburtstag"),
        *("Konto", "Notizen", "Webseite", "Priorität"),
    ],
}
GOOGLE = {
    FIRST: ["First Name", "Given Name"],
    LAST: ["Last Name", "Family Name"],
    FULL: ["Name", "File As"],
    COMPANY: ["Organization Name", "Organization 1 - Name"],
    PHONE: ["Phone 1 - Value", "Phone 2 - Value"],
    UNKNOWN: [
        *("Phone 1 - Label", "Phone 1 - Type", "Phonetic First Name", "Name Prefix", "Name Suffix"),
        *("Given Name Yomi", "Organization Title", "Organization Department", "Labels", "Photo"),
        *("E-mail 1 - Value", "Address 1 - Street", "Relation 1 - Value", "Group Membership"),
        *("Organization 1 - Type", "Organization 1 - Symbol", "Event 1 - Value"),
    ],
}
OTHERS = {
    MOBILE: [
        # Apple, Yahoo, WhatsApp tools, school systems, databases
        *("iPhone", "Mobile", "mobile", "MOBILE_PHONE", "mobilePhone", "WhatsApp Number", "Cell"),
        *("WhatsApp", "Cell Phone", "CellPhone", "cell_phone_number", "Mobile #", "Mobile No."),
        *("Parent 1 Mobile", "Guardian Cell", "Student mobile", "MSISDN", "msisdn", "Work mobile"),
        *("Handy", "Handynummer", "Mobilnummer", "Handy (privat)", "Telefon mobil", "Mobiel"),
        *("Téléphone portable", "Portable", "Teléfono móvil", "Celular", "Móvil", "Telemóvel"),
        *("Cellulare", "Komórka", "Telefon komórkowy", "Cep Telefonu", "Matkapuhelin", "GSM"),
        *("Мобильный телефон", "Моб. телефон", "Simu ya mkononi", "No. HP", "手机", "手机号码"),
        *("携帯電話", "휴대폰", "موبايل", "נייד", "मोबाइल", "Κινητό"),
        *("رقم الجوال", "الموبايل", "موبایل", "تلفن همراه"),
    ],
    PHONE: [
        *("Phone", "phone number", "PhoneNumber", "phone_number", "PHONE NO", "Telephone", "Tel."),
        *("Tel", "Tel No", "Parent phone", "Contact Number", "Contact No.", "Primary phone"),
        *("Telefon", "Telefonnummer", "Rufnummer", "Téléphone", "Teléfono", "Telefone", "Telefono"),
        *(
            "Telefoon",
            "Telefoonnummer",
            "Puhelin",
            "Тел.",
            "Телефон",
            "Simu",
            "电话",
            "電話番号",
            "هاتف",
            "الهاتف",
            "رقم الهاتف",
            "شماره تلفن",
            "הטלפון",
        ),
    ],
    LANDLINE: [
        *(
            "Home Phone",
            "homePhone",
            "Work phone",
            "Office Tel",
            "Landline",
            "Festnetz",
            "House phone",
        ),
        *(
            "Téléphone fixe",
            "Téléphone domicile",
            "Teléfono fijo",
            "Telefono casa",
            "Telefoon thuis",
        ),
        *("Telefon stacjonarny", "Рабочий телефон", "Daytime telephone", "Festnetznummer"),
    ],
    EXCLUDED: [
        *("Fax", "Fax number", "Telefax", "Backup phone number", "Emergency contact phone"),
        *("Emergency phone", "Alternate phone", "Secondary mobile", "Old phone", "Account phone"),
        *("Notfalltelefon", "Notfall Handy", "Téléphone d'urgence", "Teléfono de emergencia"),
        *("Doctor's phone", "Assistant mobile", "Tax phone", "ICE phone", "Факс"),
        "هاتف الطوارئ",
    ],
    NUMBER: ["number", "Numbers", "To", "recipient", "Recipients", "Destination", "Empfänger"],
    UNKNOWN: [
        *(
            "",
            " ",
            "#",
            "No",
            "Nr.",
            "Account number",
            "Account No",
            "ID",
            "Student ID",
            "id_number",
        ),
        *(
            "Student number",
            "Customer number",
            "Order number",
            "Tax number",
            "Steuernummer",
            "IBAN",
        ),
        *("Phone type", "Phone extension", "Ext.", "Mobile carrier", "Phone model", "Phone status"),
        *(
            "Country code",
            "SMS consent",
            "Phone country code",
            "Mobile notes",
            "SMS text",
            "Message",
        ),
        *(
            "Text",
            "note",
            "Amount",
            "Betrag",
            "Date",
            "E-Mail",
            "Class",
            "Immobilien",
            "Automobile",
        ),
        *("User name", "Username", "File name", "Street name", "Phone verified", "Kontonummer"),
        *("Email", "Age", "Zip", "Passport number", "Emergency contact", "Next of kin"),
    ],
    FULL: [
        *("Name", "Full name", "fullName", "Display Name", "Contact name", "Saved Name", "Naam"),
        *("Public Display Name", "Nom complet", "Nombre completo", "Nome completo", "ФИО", "姓名"),
        *("氏名", "이름", "Jina", "Ad Soyad", "Imię i nazwisko"),
    ],
    FIRST: ["First name", "firstName", "Forename", "Given name", "Vorname", "Prénom", "Voornaam"],
    LAST: ["Last name", "lastName", "Surname", "Family name", "Nachname", "Apellidos", "Cognome"],
    PART: [
        *(
            "Student name",
            "Parent name",
            "Customer name",
            "Customer",
            "Pupil",
            "Nom",
            "Patient name",
        ),
        *("Student first name", "Guardian last name"),
    ],
    COMPANY: [
        "Company",
        "Company name",
        "Organisation",
        "School",
        "Firma",
        "Entreprise",
        "Empresa",
    ],
}


@pytest.mark.parametrize("table", [OUTLOOK, OUTLOOK_IN_GERMAN, GOOGLE, OTHERS])
def test_the_names_of_usual_programs_are_known(table: dict[ColumnKind, list[str]]) -> None:
    expected = {name: kind for kind, names in table.items() for name in names}
    assert {name: kind_of(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Assistant's Phone", ("assistant", "phone")),
        ("phoneNumber2", ("phone", "number", "2")),
        ("TÉLÉPHONE_1", ("telephone", "1")),
        ("Straße", ("strasse",)),
        ("—", ()),
    ],
)
def test_a_name_is_split_into_plain_words(name: str, words: tuple[str, ...]) -> None:
    assert words_of(name) == words


@pytest.mark.parametrize(
    ("name", "first_name", "expected"),
    [
        ("Name", "Vorname", True),
        ("Nom", "Prénom", True),
        ("Naam", "Voornaam", True),
        ("Name", "First Name", False),
        ("Name", "Given Name", False),
        ("Full name", "Vorname", False),
    ],
)
def test_a_name_is_the_family_name_beside_a_first_name(
    name: str, first_name: str, expected: bool
) -> None:
    assert is_family_name_beside(name, first_name) is expected


@given(st.text(max_size=40))
def test_any_name_has_a_kind_and_a_prefix_never_makes_a_fax_a_phone(name: str) -> None:
    assert kind_of(name) in ColumnKind
    assert not kind_of(f"{name} fax phone").can_be_sent_to
    assert not kind_of(f"account {name} ").can_be_sent_to
