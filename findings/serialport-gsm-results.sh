#!/usr/bin/env bash
# serialport-gsm says that a long text was sent if the network refused its first part, and loses the answer "OK".
#
# Software:  serialport-gsm 4.0.1 (npm), which sends and reads SMS through a modem. The modem is on a pseudo terminal in
#            this script.
# Seen:      2026-11, Node 20, Python 3.11.
# Behaviour: (1) `sendSMS` sends the parts of a long text one after the other, and looks at the answer to the last one
#                only. If the network refuses an earlier part ("+CMS ERROR: 332"), the other parts are sent all the
#                same, and the result is "success", "Message Successfully Sent". The event is onMessageSent.
#            (2) In text mode ("SMS"), `getSimInbox` takes each line of a text for the whole text: the last line is
#                left.
#            (3) In text mode, the text "OK", a usual answer of a person, is taken for the end of the modem's answer.
#                The message has no text, and the messages behind it are missing. The status is "success".
#            The README recommends the mode PDU, and says nothing of these.
# Output seen:
#            two parts, all accepted: 2 parts sent, success, onMessageSent
#            two parts, the first refused: 2 parts sent, success, onMessageSent
#            two parts, the second refused: 2 parts sent, fail, onMessageSendingFailed
#            inbox "Come at 9" "Yes": success, "Come at 9" "Yes"
#            inbox "Come at 9" + "or at 10" "Yes": success, "or at 10" "Yes"
#            inbox "OK" "Yes": success, no text
# For us:    Ibiki reaches modems through Kannel.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts serialport-gsm@4.0.1 >/dev/null)

cat >"$folder/call.cjs" <<'NODE'
const [port, mode] = process.argv.slice(2);
const modem = require("serialport-gsm").Modem();

(async () => {
  await modem.open(port, { baudRate: 115200 });
  await modem.setModemMode(mode);
  let event;
  for (const name of ["onMessageSent", "onMessageSendingFailed"]) modem.on(name, () => (event = name));
  if (mode === "PDU") {
    const { status } = await modem.sendSMS("+12025550101", "a".repeat(200));
    console.log(`${status}, ${event}`);
  } else {
    const { status, data } = await modem.getSimInbox();
    console.log(`${status},`, data.map(({ message }) => (message ? JSON.stringify(message) : "no text")).join(" "));
  }
  process.exit();
})();
NODE

cat >"$folder/observe.py" <<'PYTHON'
import os
import pty
import re
import subprocess
import sys
import threading
import tty


class Modem:
    """Refuses the part with this number, and has these texts."""

    def __init__(self, refused=0, texts=()):
        self.refused, self.texts, self.parts = refused, texts, 0
        self.line, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        waiting, is_text = "", False
        while True:
            heard = os.read(self.line, 4096).decode()
            os.write(self.line, heard.encode())  # the echo, which the library waits for
            waiting += heard
            while found := re.search("\x1a" if is_text else "\r", waiting):
                words, waiting = waiting[: found.start()].strip(), waiting[found.end() :]
                said = "OK"
                if is_text:
                    self.parts += 1
                    said = "+CMS ERROR: 332" if self.parts == self.refused else "+CMGS: 1\r\n\r\nOK"
                    is_text = False
                elif words.startswith("AT+CMGS="):
                    os.write(self.line, b"\r\n> ")
                    is_text = True
                    continue
                elif words.startswith("AT+CMGL="):
                    said = "\r\n".join([*map(self.listed, range(len(self.texts))), "", "OK"])
                elif not words:
                    continue
                os.write(self.line, f"\r\n{said}\r\n".encode())

    def listed(self, at):
        """3GPP TS 27.005, 3.4.2"""
        return f'+CMGL: {at},"REC READ","+12025550101",,"26/12/01,09:00:00+12"\r\n{self.texts[at]}'


def call(modem, mode):
    command = ("node", f"{sys.argv[1]}/call.cjs", modem.port, mode)
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


for label, refused in (("all accepted", 0), ("the first refused", 1), ("the second refused", 2)):
    modem = Modem(refused)
    said = call(modem, "PDU")
    print(f"two parts, {label}: {modem.parts} parts sent, {said}")
for lines in (["Come at 9"], ["Come at 9", "or at 10"], ["OK"]):
    label = " + ".join(f'"{line}"' for line in lines)
    print(f'inbox {label} "Yes":', call(Modem(texts=("\r\n".join(lines), "Yes")), "SMS"))
PYTHON

timeout 200 python3 "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
two parts, all accepted: 2 parts sent, success, onMessageSent
two parts, the first refused: 2 parts sent, success, onMessageSent
two parts, the second refused: 2 parts sent, fail, onMessageSendingFailed
inbox "Come at 9" "Yes": success, "Come at 9" "Yes"
inbox "Come at 9" + "or at 10" "Yes": success, "or at 10" "Yes"
inbox "OK" "Yes": success, no text
SEEN
