// Signing with a key file that never leaves this browser: Ed25519 by WebCrypto, from the 32 bytes that salus keeps.
const PKCS8 = Uint8Array.from([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20]); // RFC 8410

async function keyFrom(file) {
  const seed = new Uint8Array(await file.arrayBuffer());
  if (seed.length !== 32) throw new Error("This is not a key file of salus: it should hold 32 bytes.");
  const wrapped = new Uint8Array([...PKCS8, ...seed]);
  const key = await crypto.subtle.importKey("pkcs8", wrapped, "Ed25519", false, ["sign"]);
  seed.fill(0);
  wrapped.fill(0);
  return key;
}

const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
const base64url = (bytes) => base64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const bytesOf = (text) => new TextEncoder().encode(text);

async function signatureOf(text, key) {
  return new Uint8Array(await crypto.subtle.sign("Ed25519", key, bytesOf(text)));
}

async function assertion(name, audience, key) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: name, sub: name, aud: audience, iat: now, exp: now + 240, jti: crypto.randomUUID() };
  const part = (value) => base64url(bytesOf(JSON.stringify(value)));
  const text = `${part({ alg: "EdDSA", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${base64url(await signatureOf(text, key))}`;
}

function onSubmit(form, act) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = form.querySelector(".problem");
    said.hidden = true;
    try {
      const key = await keyFrom(form.elements.key.files[0]);
      form.elements.key.value = "";
      await act(key);
    } catch (error) {
      said.textContent = error.message;
      said.hidden = false;
    }
  });
}

const signIn = document.querySelector("form[data-sign-in]");
if (signIn) {
  const other = document.querySelector("form[data-assertion]");
  signIn.elements.key.addEventListener("change", () => {
    const file = signIn.elements.key.files[0];
    if (file && !signIn.elements.name.value) signIn.elements.name.value = file.name.replace(/\.key$/, "");
  });
  onSubmit(signIn, async (key) => {
    other.elements.assertion.value = await assertion(signIn.elements.name.value.trim(), signIn.dataset.audience, key);
    other.requestSubmit();
  });
}

const sign = document.querySelector("form[data-sign]");
if (sign) {
  // What is signed is the very text that the page shows.
  onSubmit(sign, async (key) => {
    const text = document.getElementById(sign.dataset.sign).textContent;
    sign.elements.signature.value = base64(await signatureOf(text, key));
    sign.elements.key.disabled = true;
    sign.submit();
  });
}

if (globalThis.crypto?.subtle) {
  for (const part of document.querySelectorAll("[data-with-script]")) part.hidden = false;
}
