// Calls of the API, from a page of the server itself.

// Problem is why something could not be done: a reason of the API (docs/api.md), or one of the page's own.
export class Problem extends Error {
  // retryAfter is in seconds; 0 when the server did not say.
  constructor(reason, retryAfter = 0) {
    super(reason);
    this.reason = reason;
    this.retryAfter = retryAfter;
  }
}

// call returns what the server answers, or throws a Problem.
export async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      credentials: 'same-origin',
      headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem('NO_ANSWER');
  }
  // What stands between here and the server may answer in its own way.
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const info = (answer.details ?? []).find((detail) => detail.reason);
  throw new Problem(info?.reason ?? 'OTHER', Number(response.headers.get('Retry-After')) || 0);
}

export const post = (path, body = {}) => call('POST', path, body);
