// What the parts of the page share: calls, errors in words, pictures.

export const $ = (id) => document.getElementById(id);
export const state = { token: sessionStorage.getItem('token') || '', model: null };
const PATIENCE = 60_000;

export async function call(path, options = {}) {
  const headers = state.token ? { Authorization: `Bearer ${state.token}` } : {};
  let response;
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    response = await fetch(path, { ...options, headers, signal });
  } catch (error) {
    throw new Error(error.name === 'TimeoutError'
      ? 'There was no answer within a minute. Try again.'
      : 'The service does not answer. Is it running?');
  }
  if (response.ok) return response;
  let text = `The service answered ${response.status}.`;
  try { text = (await response.json()).detail; } catch { /* The status must do. */ }
  const error = new Error(text);
  error.status = response.status;
  throw error;
}

export async function busy(button, work) {
  // Where the user looks: in the part of the page that the button is in.
  const box = button.closest('dialog, #manage')?.querySelector('.error') ?? $('error');
  button.disabled = true;
  box.hidden = true;
  try { await work(); } catch (error) { fail(error, box); } finally { button.disabled = false; }
  // A button that is disabled loses the focus: give it back to the keyboard.
  if (document.activeElement === document.body) button.focus();
}

export function fail(error, box) {
  if (error.status === 401) $('token-form').hidden = false;
  box.textContent = error.message;
  box.hidden = false;
  $('status').textContent = $('pair-status').textContent = '';
}

export function words(text) { return text.split(',').map((one) => one.trim()).filter(Boolean); }

export function element(tag, text, name) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

export function button(text, name, label, work) {
  const made = element('button', text, name);
  made.type = 'button';
  made.setAttribute('aria-label', label);
  made.onclick = () => busy(made, work);
  return made;
}

export function shown(blob, alt) {
  const made = element('img');
  made.src = URL.createObjectURL(blob);
  made.alt = alt;
  made.onload = () => URL.revokeObjectURL(made.src);
  return made;
}

export function known(metadata) {
  const parts = [];
  if (metadata.person) parts.push(`person ${metadata.person}`);
  if (metadata.camera) parts.push(`camera ${metadata.camera}`);
  if (metadata.modality) parts.push(metadata.modality);
  if (metadata.time != null) parts.push(new Date(1000 * metadata.time).toLocaleString());
  return parts.join(', ');
}

export function percent(share) { return `${(100 * share).toFixed(0)}\u00a0%`; }
