#!/usr/bin/env bash
# Text::vCard makes a phone number of the second line of a note, and returns a number as "tel:+1-202-555-0101".
#
# Software:  Text::vCard 3.09 (Debian package libtext-vcard-perl), and vobject 0.9.9 (PyPI).
# Seen:      2026-12, Debian 12, Python 3.11.
# Behaviour: RFC 6350, 3.4: a line end in a value is written as "\n". Text::vCard escapes commas, semicolons and
#            backslashes only, and raises nothing.
#            (1) It writes a note of two lines as two lines of the file. If the second begins with "Tel:", as in a
#                signature, other readers take it for a number of the contact. Text::vCard reads its own file right,
#                because it takes a line feed without carriage return for a part of the value.
#            (2) It reads the "\n" that others write as a backslash and an "n".
#            (3) In vCard 4.0, a number SHOULD be a URI (RFC 6350, 6.4.1). It returns the URI as the number.
# Output seen:
#            written by Text::vCard, read by vobject: note "Ada's office", numbers +12025550101 +12025550102
#            written by Text::vCard, read by itself: note "Ada's office / Tel: +12025550102", numbers +12025550101
#            written by vobject, read by Text::vCard: note "Ada's office\nTel: +12025550102", numbers +12025550101
#            vCard 4.0, read by Text::vCard: note "", numbers tel:+1-202-555-0101
# For us:    Ibiki refuses a file of vCards, and says to save the contacts as CSV.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
perl -MText::vCard::Addressbook -e1 2>/dev/null || { echo "Install libtext-vcard-perl first." >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check vobject==0.9.9

cat >"$folder/cards.pl" <<'PERL'
use strict;
use Text::vCard::Addressbook;
$Text::vCard::Addressbook::VERSION eq '3.09' or die "another version: $Text::vCard::Addressbook::VERSION";

if ($ARGV[0] eq 'write') {
    my $book = Text::vCard::Addressbook->new;
    my $card = $book->add_vcard;
    $card->version('3.0');
    $card->fullname('Ada');
    $card->add_node({ node_type => 'N' })->given('Ada');
    $card->add_node({ node_type => 'TEL' })->value('+12025550101');
    $card->note("Ada's office\nTel: +12025550102");
    print $book->export;
}
else {
    my ($card) = Text::vCard::Addressbook->new({ source_file => $ARGV[1] })->vcards;
    my @numbers = map { s/^ //r } map { $_->value } @{ $card->get('TEL') };
    printf qq(note "%s", numbers %s\n), ($card->note // '') =~ s{\n}{ / }gr, join ' ', sort @numbers;
}
PERL

cat >"$folder/cards.py" <<'PYTHON'
import sys

import vobject

if sys.argv[1] == "write":
    card = vobject.vCard()
    card.add("n").value = vobject.vcard.Name(given="Ada")
    card.add("fn").value = "Ada"
    card.add("tel").value = "+12025550101"
    card.add("note").value = "Ada's office\nTel: +12025550102"
    sys.stdout.write(card.serialize())
else:
    with open(sys.argv[2]) as file:
        card = vobject.readOne(file)
    numbers = sorted(each.value.strip() for each in card.tel_list)
    print(f'note "{card.note.value}", numbers {" ".join(numbers)}')
PYTHON

cd "$folder"
perl cards.pl write >perl.vcf
venv/bin/python -W ignore cards.py write >python.vcf
printf '%s\r\n' BEGIN:VCARD VERSION:4.0 FN:Ada 'N:;Ada;;;' 'TEL;VALUE=uri;TYPE=cell:tel:+1-202-555-0101' END:VCARD \
  >four.vcf
{
  echo "written by Text::vCard, read by vobject: $(venv/bin/python -W ignore cards.py read perl.vcf)"
  echo "written by Text::vCard, read by itself: $(perl cards.pl read perl.vcf)"
  echo "written by vobject, read by Text::vCard: $(perl cards.pl read python.vcf)"
  echo "vCard 4.0, read by Text::vCard: $(perl cards.pl read four.vcf)"
} | tee seen
diff seen - <<'SEEN'
written by Text::vCard, read by vobject: note "Ada's office", numbers +12025550101 +12025550102
written by Text::vCard, read by itself: note "Ada's office / Tel: +12025550102", numbers +12025550101
written by vobject, read by Text::vCard: note "Ada's office\nTel: +12025550102", numbers +12025550101
vCard 4.0, read by Text::vCard: note "", numbers tel:+1-202-555-0101
SEEN
