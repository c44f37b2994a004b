#!/usr/bin/env bash
# Device::Gsm sends "Привет" as six @ and "€5" as "@5", and does not send "0".
#
# Software:  Device::Gsm 1.61 (Debian package libdevice-gsm-perl 1.61-3), a Perl module for GSM modems.
# Seen:      2026-12, Debian 12.
# Behaviour: A program sends texts in PDU mode. Instead of a modem, a subclass keeps what is written, and answers "OK".
#            (1) The module only writes GSM-7. Each character that is not in Latin-1 becomes "@": "€", which GSM-7 has,
#                and Cyrillic, which needs UCS-2. "ê" of Latin-1 becomes "e". The result is 1, as for a right text.
#            (2) The text "0", as in "Reply 1 for yes, 0 for no", is not sent. "1" is.
# Output seen:
#            Hello: result 1, left "Hello", 5 septets
#            Привет: result 1, left "@@@@@@", 6 septets
#            €5: result 1, left "@5", 2 septets
#            ê: result 1, left "e", 1 septets
#            1: result 1, left "1", 1 septets
#            0: result 0, nothing left
# For us:    Ibiki leaves alphabets and parts to its providers, and charges the parts that a text takes.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
perl -MDevice::Gsm -e1 2>/dev/null || { echo "Install libdevice-gsm-perl first." >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/send.pl" <<'PERL'
use strict;
use utf8;
use Device::Gsm;
binmode STDOUT, ':utf8';

# A modem that answers OK, and keeps what is written to it.
package Answering;
our @ISA = ('Device::Gsm');
my $written;
sub atsend { $written = $_[1]; return 1 }
sub connect { return 1 }
sub register { return $_[0]{REGISTERED} = 1 }
sub wait { }
sub answer { return "+CMGS: 7\r\nOK" }

package main;
$Device::Gsm::VERSION eq '1.61' or die "another version: $Device::Gsm::VERSION";
my $modem = Answering->new(port => '/dev/null', log => 'file,/dev/null');
for my $text ('Hello', 'Привет', '€5', 'ê', '1', '0') {
    $written = '';
    my $result = $modem->send_sms(recipient => '+12025550100', content => $text, mode => 'pdu');
    my ($septets, $packed) = $written =~ /^0011000B912120550501F00000A7(..)([0-9A-F]*)/;
    print "$text: result ", $result ? 1 : 0;
    print ", nothing left\n" and next unless defined $packed;
    # Septets to letters (TS 23.038, 6.1.2.1): the first bit is the lowest.
    my $bits = unpack 'b*', pack 'H*', $packed;
    my @codes = map { ord pack 'b8', substr($bits, 7 * $_, 7) . '0' } 0 .. hex($septets) - 1;
    my $left = join '', map { $_ ? chr : '@' } @codes;
    print qq(, left "$left", ), hex $septets, " septets\n";
}
PERL

perl "$folder/send.pl" >"$folder/seen" 2>"$folder/errors" || { cat "$folder/errors" >&2; exit 1; }
cat "$folder/seen"
diff - "$folder/seen" <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
Hello: result 1, left "Hello", 5 septets
Привет: result 1, left "@@@@@@", 6 septets
€5: result 1, left "@5", 2 septets
ê: result 1, left "e", 1 septets
1: result 1, left "1", 1 septets
0: result 0, nothing left
EXPECTED
