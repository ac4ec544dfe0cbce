// The server's answers, see docs/api.md.

/** Refused is an answer that is an error, with the server's hint. */
export class Refused extends Error {
  constructor(status, message, hint) {
    super(message);
    this.status = status;
    this.hint = hint ?? '';
  }
}

async function get(path, query = {}, signal) {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value != null && value !== '') params.set(key, value);
  }
  const text = params.toString();
  const response = await fetch('/api/' + path + (text && '?' + text), { signal });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, body.error ?? response.statusText, body.hint);
  return body;
}

/** runs are the rows of the table: {runs, total}. */
export const runs = (query, signal) => get('runs', query, signal);

/** detail is everything of one run but its curves. */
export const detail = (name) => get('runs/' + encodeURIComponent(name));

/** series are curves of some runs, no more points than are drawn. */
export const series = (names, query, signal) => get('series', { runs: names.join(','), ...query }, signal);

/** picture is the address of a run's file. */
export const picture = (name, path) =>
  '/api/runs/' + encodeURIComponent(name) + '/files/' + path.split('/').map(encodeURIComponent).join('/');

/** events is the stream of changes. */
export const events = () => new EventSource('/api/events');
