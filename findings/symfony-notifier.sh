#!/usr/bin/env bash
# Symfony's notifier sends each text through OVHcloud as a flash SMS, which phones do not keep, and drops the text "0".
#
# Software:  php-symfony-notifier, php-symfony-ovh-cloud-notifier, -infobip-notifier, -mobyt-notifier and
#            php-symfony-http-client 5.4.53 (Debian packages), which send SMS from PHP. Their vendors are in this script.
# Seen:      2026-11, Debian 12, PHP 8.2.
# Behaviour: A program sends a text with `send(new SmsMessage(number, text))`. Nothing else is configured than the account
#            and the sender, and no option of the package changes what follows.
#            (1) OVHcloud: each text has the class "flash" (class 0 of TS 23.038, 4): a phone shows it at once and does
#                not store it. A code or an appointment is gone when the person has touched the screen.
#            (2) Infobip answers a request with status 200 also if it rejects the message, and says so in the answer
#                (group 5, REJECTED, such as not enough credit). The notifier does not read it: the text counts as sent.
#                The message ID that Infobip gives is dropped too, so that reports cannot be matched.
#            (3) Mobyt: the text "0", as in "How many seats?", is left out of the request. "1" is sent.
# Output seen:
#            OvhCloud, "Your code is 417": {"class":"flash","message":"Your code is 417"}, sent, ID 7
#            Infobip, "Hello", rejected: {"text":"Hello"}, sent, ID none
#            Mobyt, "1": {"message":"1"}, sent, ID 7
#            Mobyt, "0": {}, sent, ID 7
# For us:    Ibiki has no adapters for these. Its own treat an answer as a success only if it says so itself.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in apt-get dpkg-deb php; do
  command -v $program >/dev/null || { echo "This needs $program." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
version=5.4.53+dfsg-0+deb12u1
packages=("php-symfony-http-client=$version" php-symfony-contracts php-symfony-service-contracts php-psr-log)
for name in "" ovh-cloud- infobip- mobyt-; do
  packages+=("php-symfony-${name}notifier=$version")
done
packages+=(php-symfony-http-client-contracts php-symfony-deprecation-contracts)
(cd "$folder" && apt-get -qq -o "APT::Sandbox::User=$(id -un)" download "${packages[@]}" >/dev/null)
for file in "$folder"/*.deb; do
  dpkg-deb -x "$file" "$folder/root"
done

cat >"$folder/observe.php" <<'PHP'
<?php
use Symfony\Component\HttpClient\MockHttpClient;
use Symfony\Component\HttpClient\Response\MockResponse;
use Symfony\Component\Notifier\Message\SmsMessage;
use Symfony\Component\Notifier\Transport\Dsn;

error_reporting(E_ALL & ~E_DEPRECATED);
spl_autoload_register(function (string $name) use ($argv): void {
    $file = $argv[1].'/usr/share/php/'.str_replace('\\', '/', $name).'.php';
    if (is_file($file)) {
        require $file;
    }
});

/** Sends a text, and prints the fields of the request that have the text or its class. */
function send(string $label, string $vendor, string $dsn, string $text, int $status, array $answer): void
{
    $request = '';
    $client = new MockHttpClient(function ($method, $url, $options) use (&$request, $status, $answer) {
        if (str_ends_with($url, '/auth/time')) {
            return new MockResponse((string) time());
        }
        $request = $options['body'];

        return new MockResponse(json_encode($answer), ['http_code' => $status]);
    });
    $factory = "Symfony\\Component\\Notifier\\Bridge\\{$vendor}\\{$vendor}TransportFactory";
    $sent = (new $factory(null, $client))->create(new Dsn($dsn))->send(new SmsMessage('+12025550101', $text));
    $fields = json_decode($request, true);
    $fields = $fields['messages'][0] ?? $fields;
    $shown = array_intersect_key($fields, array_flip(['class', 'message', 'text']));
    $id = $sent->getMessageId() ?? 'none';
    echo "$vendor, \"$text\"$label: ", json_encode((object) $shown), ", sent, ID $id\n";
}

$ovh = 'ovhcloud://key:secret@default?consumer_key=c&service_name=n&sender=Shop';
send('', 'OvhCloud', $ovh, 'Your code is 417', 200, ['ids' => [7], 'invalidReceivers' => []]);
$rejected = ['groupId' => 5, 'groupName' => 'REJECTED', 'id' => 12, 'name' => 'REJECTED_NOT_ENOUGH_CREDITS'];
$answer = ['messages' => [['messageId' => '7', 'to' => '12025550101', 'status' => $rejected]]];
send(', rejected', 'Infobip', 'infobip://token@api.example?from=Shop', 'Hello', 200, $answer);
foreach (['1', '0'] as $text) {
    $mobyt = 'mobyt://user:token@default?from=Shop&type_quality=N';
    send('', 'Mobyt', $mobyt, $text, 201, ['result' => 'OK', 'order_id' => '7']);
}
PHP

php "$folder/observe.php" "$folder/root" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
OvhCloud, "Your code is 417": {"class":"flash","message":"Your code is 417"}, sent, ID 7
Infobip, "Hello", rejected: {"text":"Hello"}, sent, ID none
Mobyt, "1": {"message":"1"}, sent, ID 7
Mobyt, "0": {}, sent, ID 7
SEEN
