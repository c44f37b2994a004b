#!/usr/bin/env bash
# If a network refuses the last part of a long text, gammu-smsd sends its first part 1, 3, 7, 15 … times.
#
# Software:  gammu-smsd and gammu-smsd-inject 1.42.0 (Debian package gammu-smsd) and smsd 3.1.21 (Debian package
#            smstools), with a modem on a pseudo terminal in this script.
# Seen:      2026-11, Debian 12.
# Behaviour: A text of three parts waits in a folder (service = files). The modem sends two parts and refuses the third
#            with "+CMS ERROR: 332", as it happens if the credit of a prepaid card ends in between.
#            (1) gammu-smsd sends the text again at once, from the beginning, and without end. Each time, it has put
#                copies of the first part before the text: 1, 3, 7, 15 … of them leave, and each of them costs what a
#                message costs. The file in the folder grows likewise.
#            (2) A short text that is refused is tried about once a second, without end. The manual says of MaxRetries
#                (1 by default) that it works with SQL services only. It does not say what the others do.
#            (3) smsd of smstools tries only the part again that was refused, three times in all. Then it moves the
#                file to its folder for failed texts.
# Output seen:
#            gammu-smsd, first parts in each try: 1 3 7 15
#            gammu-smsd, a short text: more than 5 tries
#            smstools, parts that left or were refused: 1 2 3 3 3, failed
# For us:    Ibiki reaches modems through Kannel, which tries only the refused part again, as often as
#            sms-resend-retry says.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
PATH=$PATH:/usr/sbin
for program in gammu-smsd gammu-smsd-inject smsd; do
  command -v $program >/dev/null || { echo "Install gammu-smsd and smstools first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/observe.py" <<'PYTHON'
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
import tty
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(sys.argv[1])
SECONDS = 120
GAMMU = """
[gammu]
port = {port}
connection = at115200
synchronizetime = no

[smsd]
service = files
logfile = {folder}/log
inboxpath = {folder}/inbox/
outboxpath = {folder}/outbox/
sentsmspath = {folder}/sent/
errorsmspath = {folder}/error/
checksecurity = 0
checkbattery = 0
checksignal = 0
checknetwork = 0
"""
SMSTOOLS = """
devices = M
outgoing = {folder}/outgoing
checked = {folder}/checked
incoming = {folder}/incoming
sent = {folder}/sent
failed = {folder}/failed
logfile = {folder}/log
infofile = {folder}/running
pidfile = {folder}/pid
stats = {folder}
delaytime = 1
errorsleeptime = 1

[M]
device = {port}
incoming = no
"""
SAID = {
    "AT+CPIN?": "+CPIN: READY",
    "AT+CREG?": '+CREG: 2,1,"0001","0001"',
    "AT+CSQ": "+CSQ: 20,0",
    "AT+CGMM": "MODEM",
    "AT+CGMI": "Maker",
    "AT+CGMR": "1.0",
    "AT+CGSN": "490154203237518",
    "AT+CIMI": "310150123456789",
    "AT+CNMI=?": "+CNMI: (0-2),(0-3),(0,2),(0-2),(0,1)",
    "AT+CPMS=?": '+CPMS: ("SM","ME"),("SM","ME"),("SM","ME")',
    "AT+CSCA?": '+CSCA: "+12025550199",145',
    "AT+CBC": "+CBC: 0,100",
    "AT+CGATT?": "+CGATT: 1",
    "AT+CSCS?": '+CSCS: "GSM"',
    "AT+CSCS=?": '+CSCS: ("GSM","UCS2")',
}
UNKNOWN = ("AT+MODE", "AT+SYNCML", "AT$", "AT+CUSD", "AT+CHUP")
LONG, SHORT = "A" * 400, "Hello"


class Modem:
    """Keeps the number of each part that it was given; 0 for a short text. It refuses these two: 0 and 3."""

    def __init__(self, *, echo):
        self.tries, self.echo = [], echo
        self.line, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        threading.Thread(target=self.run, daemon=True).start()

    def say(self, text):
        os.write(self.line, text.encode())

    def run(self):
        waiting, is_text = "", False
        while True:
            heard = os.read(self.line, 4096)
            if self.echo:
                os.write(self.line, heard)
            waiting += heard.decode("latin-1")
            while found := re.search("\x1a" if is_text else "[\r\n]", waiting):
                words, waiting = waiting[: found.start()].strip("\x1b \r\n"), waiting[found.end() :]
                if is_text:
                    is_text = False
                    self.take(words)
                elif words.upper().startswith("AT+CMGS="):
                    is_text = True
                    self.say("\r\n> ")
                elif words:
                    self.answer(words.upper())

    def take(self, pdu):
        part = re.search("050003..030([123])", pdu)
        self.tries.append(int(part[1]) if part else 0)
        is_refused = self.tries[-1] in (0, 3)
        self.say("\r\n+CMS ERROR: 332\r\n" if is_refused else "\r\n+CMGS: 1\r\n\r\nOK\r\n")

    def answer(self, command):
        if command.startswith("ATE"):
            self.echo = command != "ATE0"
        if command.startswith('AT+CPMS="'):
            self.say("\r\n+CPMS: 0,10,0,10,0,10\r\n\r\nOK\r\n")
        elif command in SAID:
            self.say(f"\r\n{SAID[command]}\r\n\r\nOK\r\n")
        else:
            self.say("\r\nERROR\r\n" if command.startswith(UNKNOWN) else "\r\nOK\r\n")


@contextmanager
def running(*command):
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(is_over):
    end = time.monotonic() + SECONDS
    while not is_over() and time.monotonic() < end:
        time.sleep(0.1)


def folder_of(name, folders):
    for each in folders:
        (FOLDER / name / each).mkdir(parents=True)
    return FOLDER / name


def gammu(name, text, is_over):
    modem, folder = Modem(echo=True), folder_of(name, ("inbox", "outbox", "sent", "error"))
    file = folder / "gammu.conf"
    file.write_text(GAMMU.format(port=modem.port, folder=folder))
    inject = ("gammu-smsd-inject", "-c", str(file), "TEXT", "+12025550101", "-len", "400", "-text", text)
    subprocess.run(inject, check=True, stdout=subprocess.DEVNULL)
    with running("gammu-smsd", "-c", str(file)):
        until(lambda: is_over(modem.tries))
    return modem.tries


def long_text():
    tries = gammu("long", LONG, lambda tries: tries.count(3) >= 4)
    each = [part.count("1") for part in "".join(map(str, tries)).split("3")[:4]]
    return f"gammu-smsd, first parts in each try: {' '.join(map(str, each))}"


def short_text():
    tries = gammu("short", SHORT, lambda tries: len(tries) > 5)
    return f"gammu-smsd, a short text: {'more than 5' if len(tries) > 5 else len(tries)} tries"


def smstools():
    modem = Modem(echo=False)
    folder = folder_of("smstools", ("outgoing", "checked", "incoming", "sent", "failed"))
    file = folder / "smsd.conf"
    file.write_text(SMSTOOLS.format(port=modem.port, folder=folder))
    (folder / "outgoing" / "text").write_text(f"To: 12025550101\n\n{LONG}")
    with running("smsd", "-t", "-c", str(file)):
        until(lambda: any((folder / "failed").iterdir()))
    end = "failed" if any((folder / "failed").iterdir()) else "waits"
    return f"smstools, parts that left or were refused: {' '.join(map(str, modem.tries))}, {end}"


lines = {}
cases = (long_text, short_text, smstools)
threads = [threading.Thread(target=lambda case=case: lines.update({case: case()})) for case in cases]
for each in threads:
    each.start()
for each in threads:
    each.join()
print("\n".join(lines[case] for case in cases))
PYTHON

python3 "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
gammu-smsd, first parts in each try: 1 3 7 15
gammu-smsd, a short text: more than 5 tries
smstools, parts that left or were refused: 1 2 3 3 3, failed
SEEN
