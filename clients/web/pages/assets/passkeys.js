// Passkeys: from the options that the server asks with to the answer, both as JSON.

import { Problem } from './api.js';

// make makes a passkey and returns its attestation.
export function make(options) {
  return asked(async () => {
    const json = JSON.parse(options);
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON?.(json) ?? {
      ...json,
      challenge: bytes(json.challenge),
      user: { ...json.user, id: bytes(json.user.id) },
      excludeCredentials: withBytes(json.excludeCredentials),
    };
    return navigator.credentials.create({ publicKey });
  });
}

// prove proves with a passkey who the person is, and returns the assertion.
export function prove(options) {
  return asked(async () => {
    const json = JSON.parse(options);
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON?.(json) ?? {
      ...json,
      challenge: bytes(json.challenge),
      allowCredentials: withBytes(json.allowCredentials),
    };
    return navigator.credentials.get({ publicKey });
  });
}

// What browsers say when it does not come to an answer.
const reasons = {
  AbortError: 'CANCELLED',
  NotAllowedError: 'CANCELLED',
  SecurityError: 'CROSS_ORIGIN',
  InvalidStateError: 'PASSKEY_KNOWN',
  NotSupportedError: 'PASSKEY_UNSUPPORTED',
  ConstraintError: 'PASSKEY_UNSUPPORTED',
};

async function asked(work) {
  if (!window.PublicKeyCredential) throw new Problem('PASSKEY_UNSUPPORTED');
  try {
    return JSON.stringify(asJSON(await work()));
  } catch (error) {
    throw new Problem(reasons[error.name] ?? 'OTHER');
  }
}

// asJSON does by hand, for browsers that cannot, what toJSON does.
function asJSON(credential) {
  if (credential.toJSON) return credential.toJSON();
  const response = {};
  for (const name of ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle']) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
    response,
  };
}

const withBytes = (descriptors = []) => descriptors.map((one) => ({ ...one, id: bytes(one.id) }));

// bytes and text go from base64url to bytes and back.
const bytes = (encoded) => Uint8Array.from(atob(encoded.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
