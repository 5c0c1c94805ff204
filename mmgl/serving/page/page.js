// The page of the service: searches, lists, adds and deletes by its own API.
'use strict';

const $ = (id) => document.getElementById(id);
const state = { token: sessionStorage.getItem('token') || '', model: null, shown: 0 };

async function call(path, options = {}) {
  const headers = state.token ? { Authorization: `Bearer ${state.token}` } : {};
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Error('The service does not answer. Is it running?');
  }
  if (response.ok) return response;
  let detail = '';
  try {
    ({ detail } = await response.json());
  } catch { /* No JSON: the status must do. */ }
  const error = new Error(detail || `The service answered ${response.status}.`);
  error.status = response.status;
  throw error;
}

function fail(error) {
  if (error.status === 401) $('token-form').hidden = false;
  $('error').textContent = error.message;
  $('error').hidden = false;
  $('status').textContent = '';
}

function calm() { $('error').hidden = true; }

async function busy(button, work) {
  button.disabled = true;
  calm();
  try { await work(); } catch (error) { fail(error); } finally { button.disabled = false; }
}

function words(text) { return text.split(',').map((one) => one.trim()).filter(Boolean); }

function seconds(id) {
  const value = $(id).value;
  return value ? new Date(value).getTime() / 1000 : null;
}

function element(tag, text, name) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

async function picture(name) {
  if (!state.model.images) return element('div', 'no picture', 'noimage');
  try {
    const response = await call(`/v1/image?name=${encodeURIComponent(name)}`);
    const shown = element('img');
    shown.src = URL.createObjectURL(await response.blob());
    shown.onload = () => URL.revokeObjectURL(shown.src);
    shown.alt = `Picture of ${name}`;
    return shown;
  } catch {
    return element('div', 'no picture', 'noimage');
  }
}

function known(metadata) {
  const parts = [];
  if (metadata.person) parts.push(`person ${metadata.person}`);
  if (metadata.camera) parts.push(`camera ${metadata.camera}`);
  if (metadata.modality) parts.push(metadata.modality);
  if (metadata.time) parts.push(new Date(1000 * metadata.time).toLocaleString());
  return parts.join(', ');
}

async function show(matches) {
  const items = await Promise.all(matches.map(async (match) => {
    const item = element('li');
    const chance = match.probability === null
      ? '' : `, probability ${(100 * match.probability).toFixed(0)} %`;
    item.append(
      await picture(match.name),
      element('div', `${match.score.toFixed(3)}${chance}`, 'score'),
      element('div', match.name),
      element('div', known(match.metadata), 'quiet'),
    );
    return item;
  }));
  $('matches').replaceChildren(...items);
  $('status').textContent = items.length
    ? `${items.length} matches, the best first.` : 'Nobody in the gallery fits.';
  $('results').focus();
}

async function search() {
  const form = new FormData();
  form.append('image', $('file').files[0]);
  form.append('modality', document.querySelector('[name=modality]:checked').value);
  for (const field of ['camera', 'person']) {
    for (const value of words($(field).value)) form.append(field, value);
  }
  for (const field of ['start', 'end']) {
    if (seconds(field) !== null) form.append(field, seconds(field));
  }
  $('status').textContent = 'Searching…';
  const response = await call('/v1/search', { method: 'POST', body: form });
  await show((await response.json()).matches);
}

async function list(more) {
  const offset = more ? state.shown : 0;
  const page = await (await call(`/v1/persons?offset=${offset}&limit=50`)).json();
  const items = page.persons.map((person) => {
    const item = element('li');
    const text = [person.name, known(person.metadata)].filter(Boolean).join(' · ');
    item.append(element('span', text));
    if (state.model.may_change) {
      const button = element('button', 'Delete', 'plain');
      button.setAttribute('aria-label', `Delete ${person.name}`);
      button.onclick = () => busy(button, async () => {
        if (!confirm(`Delete ${person.name} for good?`)) return;
        await call(`/v1/persons?name=${encodeURIComponent(person.name)}`, { method: 'DELETE' });
        await list(false);
      });
      item.append(button);
    }
    return item;
  });
  if (more) $('persons').append(...items); else $('persons').replaceChildren(...items);
  state.shown = offset + items.length;
  $('count').textContent = `${page.count} pictures in the gallery.`;
  $('more').hidden = state.shown >= page.count;
}

async function add() {
  const form = new FormData();
  for (const file of $('add-files').files) {
    form.append('images', file);
    form.append('names', file.name);
  }
  form.append('modality', $('add-modality').value);
  form.append('time', Date.now() / 1000);
  for (const field of ['person', 'camera']) {
    const value = $(`add-${field}`).value.trim();
    if (value) form.append(field, value);
  }
  await call('/v1/persons', { method: 'POST', body: form });
  $('add').reset();
  await list(false);
}

function choose(files) {
  if (!files.length) return;
  if (files !== $('file').files) $('file').files = files;
  $('preview').src = URL.createObjectURL(files[0]);
  $('preview').alt = 'The picture to search for';
  $('preview').hidden = false;
}

async function connect() {
  state.model = await (await call('/v1/model')).json();
  $('about').textContent = `Model ${state.model.model.slice(0, 12)}, version ${state.model.version}`;
  $('token-form').hidden = true;
  $('manage').hidden = !state.model.gallery;
  $('add').hidden = !state.model.may_change;
  if (state.model.gallery) await list(false);
}

$('file').onchange = () => choose($('file').files);
$('preview').onerror = () => { $('preview').hidden = true; };
for (const name of ['dragover', 'dragleave', 'drop']) {
  $('drop').addEventListener(name, (event) => {
    event.preventDefault();
    $('drop').classList.toggle('over', name === 'dragover');
    if (name === 'drop') choose(event.dataTransfer.files);
  });
}
$('search').onsubmit = (event) => { event.preventDefault(); busy($('go'), search); };
$('add').onsubmit = (event) => {
  event.preventDefault();
  busy(event.submitter, add);
};
$('more').onclick = () => busy($('more'), () => list(true));
$('token-form').onsubmit = (event) => {
  event.preventDefault();
  state.token = $('token').value;
  sessionStorage.setItem('token', state.token);
  busy(event.submitter, connect);
};
connect().catch((error) => {
  $('about').textContent = 'Not connected.';
  fail(error);
});
