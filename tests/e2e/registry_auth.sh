# Tokens: a registry that asks for them, and a token server of the test's own that gives them by either flow, for the
# scopes that are needed and no others, for as long as it likes.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/registry_lib.sh"
need openssl
make_certificate
tokens=$work/tokens
mkdir "$tokens" "$work/certs"
cp "$work/ca.crt" "$work/certs/ca.crt"
cp "$work/tls.crt" "$work/tls.key" "$tokens"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tokens/sign.key" -out "$tokens/sign.crt" -days 2 -subj /CN=test-issuer 2>/dev/null
token_port=$(free_port)
: >"$tokens/mode"
python3 "$here/token_server.py" "$token_port" "$tokens" 2>"$work/token_server.err" &
port=$(free_port)
start_registry guarded "$port" https <<C
http: {addr: "127.0.0.1:$port", tls: {certificate: $work/tls.crt, key: $work/tls.key}}
auth: {token: {realm: "https://127.0.0.1:$token_port/token", service: test-registry, issuer: test-issuer, rootcertbundle: $tokens/sign.crt}}
C
wait_for 20 curl -sko /dev/null "https://127.0.0.1:$token_port/token"
guarded=127.0.0.1:$port
# The same registry behind a slow line.
slow_port=$(free_port)
: >"$work/line"
python3 "$here/slow_line.py" "$slow_port" "https://$guarded" "$work/line" "$work/line.log" "$work/tls.crt" "$work/tls.key" 2>"$work/slow_line.err" &
wait_for 20 curl -sko /dev/null "https://127.0.0.1:$slow_port/v2/"
slow=127.0.0.1:$slow_port

# tokens_asked LINE...: the token server was asked for exactly these since the last time, in any order.
tokens_asked() {
  equal "$(sort "$tokens/log")" "$(printf '%s\n' "$@" | sort)" "requests for tokens"
  : >"$tokens/log"
}
with=(--cert-dir "$work/certs")
as_user=("${with[@]}" --creds user:pass:word)

base_image
recipe <<'R'
FROM base
RUN head -c 9000000 /dev/urandom >/one
RUN head -c 25000000 /dev/urandom >/two
R
ok torte build -t made "$work/context"

step "a push asks for a token once, by GET, for its own repository"
: >"$tokens/log"
ok torte push --digestfile "$work/digest" "${as_user[@]}" made "$guarded/team/made:1"
tokens_asked "GET basic repository:team/made:pull,push"
ok torte digest "${as_user[@]}" "$guarded/team/made:1"
tokens_asked "GET basic repository:team/made:pull"

step "a mount across repositories asks for both"
ok torte push "${as_user[@]}" made "$guarded/team/again:1"
grep -qx "GET basic repository:team/again:pull,push repository:team/made:pull" "$tokens/log" || fail "$(cat "$tokens/log")"
equal "$(grep -c 'PUT /v2/team/again/blobs' "$work/guarded.log")" 1 "blobs sent, the configuration alone"

step "where tokens are given by POST only, that is how they are asked for"
echo get=off >"$tokens/mode"
: >"$tokens/log"
ok torte digest "${as_user[@]}" "$guarded/team/made:1"
tokens_asked "GET basic repository:team/made:pull" "POST password repository:team/made:pull"

step "wrong passwords, foreign repositories and no credentials at all are refused and said"
: >"$tokens/mode"
status 1 torte digest "${with[@]}" --creds user:wrong "$guarded/team/made:1"
says "[registry-denied]" "refuses a token (401)"
status 1 torte push "${as_user[@]}" made "$guarded/elsewhere/made:1"
says "[registry-denied]"
status 1 torte pull "${with[@]}" "$guarded/team/made:1"
says "[registry-denied]" "torte login"

step "login keeps the refresh token instead of the password, and it is what later commands use"
printf 'pass:word' >"$work/password"
torte login "${with[@]}" -u user --password-stdin "$guarded" <"$work/password" >"$work/out" 2>"$work/err" || fail "login: $(cat "$work/err")"
auth=$work/config/containers/auth.json
grep -q '"identitytoken": "refresh-CANARY"' "$auth" || fail "$(cat "$auth")"
if grep -q "$(printf 'user:pass:word' | base64)" "$auth"; then fail "the password was kept too"; fi
: >"$tokens/log"
ok torte digest "${with[@]}" "$guarded/team/made:1"
tokens_asked "POST refresh_token repository:team/made:pull"
ok torte login --get-login "$guarded"
prints_line user
sed -i s/refresh-CANARY/refresh-OTHER/ "$auth"
status 1 torte digest "${with[@]}" "$guarded/team/made:1"
says "refuses a token (401)"
if grep -q refresh-OTHER "$work/out" "$work/err"; then fail "the refresh token was shown"; fi
sed -i s/refresh-OTHER/refresh-CANARY/ "$auth"

step "tokens that end in the middle of a transfer are renewed, and not a byte is wrong"
echo lifetime=2 >"$tokens/mode"  # in whole seconds, so between one and two
echo rate=4000000 >"$work/line"
ok torte push --digestfile "$work/digest2" "${as_user[@]}" made "$slow/team/slow:1"
equal "$(cat "$work/digest2")" "$(cat "$work/digest")" "digest"
id=$(torte inspect --format '{{.id}}' made)
ok torte rmi -f made
ok torte prune -a -f
: >"$tokens/log"
: >"$work/line.log"
ok torte pull "${as_user[@]}" "$slow/team/slow:1"
equal "$(torte inspect --format '{{.id}}' "$slow/team/slow:1")" "$id" "id"
[ "$(grep -c . "$tokens/log")" -gt 1 ] || fail "no token was renewed: $(cat "$tokens/log")"
grep -q ' 401 ' "$work/line.log" || fail "the registry refused no token"
ok torte fsck --deep

step "skopeo reads what was pushed, with the credentials that login kept"
: >"$tokens/mode"
need skopeo
ok skopeo inspect --raw --cert-dir "$work/certs" --authfile "$auth" "docker://$guarded/team/made:1"
prints '"layers"'

step "policy.json says which images are taken"
policy() { printf '%s' "$1" >"$work/policy.json"; }
plain_registry
base_image
ok torte push base "$plain/team/base:1"
ok torte push base "$plain/other/base:1"
policy "{\"default\": [{\"type\": \"reject\"}], \"transports\": {\"docker\": {\"$plain/team\": [{\"type\": \"insecureAcceptAnything\"}],
  \"$plain/signed\": [{\"type\": \"sigstoreSigned\", \"keyPath\": \"/key\"}]}}}"
ok torte pull --signature-policy "$work/policy.json" "$plain/team/base:1"
status 1 torte pull --signature-policy "$work/policy.json" "$plain/other/base:1"
says "[image-rejected]" "$work/policy.json says of default: reject"
status 1 torte pull --signature-policy "$work/policy.json" "$plain/signed/base:1"
says "[signature-needed]" "torte does not verify signatures"
ok torte save -o "$work/base.tar" base
status 1 torte load --signature-policy "$work/policy.json" -i "$work/base.tar"
says "[image-rejected]"
status 1 torte copy --signature-policy "$work/policy.json" "docker-archive:$work/base.tar" "oci:$work/layout"
says "[image-rejected]"
mkdir -p "$work/config/containers"
cp "$work/policy.json" "$work/config/containers/policy.json"
ok torte rmi -f "$plain/team/base:1"
recipe <<R
FROM $plain/other/base:1
RUN true
R
status 1 env XDG_CONFIG_HOME="$work/config" "$TORTE" --root "$store" --run-root "$work/run" build --pull "$work/context"
says "[image-rejected]"
recipe <<R
FROM $plain/team/base:1
R
ok env XDG_CONFIG_HOME="$work/config" "$TORTE" --root "$store" --run-root "$work/run" build --pull "$work/context"
policy '{"default": []}'
status 1 torte pull --signature-policy "$work/policy.json" "$plain/team/base:1"
says "[bad-policy-json]"
status 1 torte pull --signature-policy "$work/absent" "$plain/team/base:1"
says "$work/absent"
