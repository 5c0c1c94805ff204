// The page of the service: choose a picture and search.
import { $, busy, button, call, element, fail, known, percent, shown, state, words } from './common.js';
import { list } from './gallery.js';
import { compare } from './pair.js';

function seconds(id) {
  const value = $(id).value;
  return value ? new Date(value).getTime() / 1000 : null;
}

function query() {
  const modality = document.querySelector('[name=modality]:checked').value;
  return { file: $('file').files[0], modality };
}

async function picture(name) {
  if (!state.model.images) return null;
  try {
    return await (await call(`/v1/image?name=${encodeURIComponent(name)}`)).blob();
  } catch {
    return null;
  }
}

async function item(match, asked) {
  const made = element('li');
  const blob = await picture(match.name);
  const pair = button('Compare', 'small', `Compare with ${match.name}`);
  pair.onclick = () => compare(asked, match, blob);
  const chance = match.probability === null ? '' : `, probability ${percent(match.probability)}`;
  made.append(
    blob ? shown(blob, `Picture of ${match.name}`) : element('div', 'no picture', 'noimage'),
    element('div', `${match.score.toFixed(3)}${chance}`, 'score'),
    element('div', match.name),
    element('div', known(match.metadata), 'quiet'),
    pair,
  );
  return made;
}

async function search() {
  const asked = query();
  const form = new FormData();
  form.append('image', asked.file);
  form.append('modality', asked.modality);
  for (const field of ['camera', 'person']) {
    for (const value of words($(field).value)) form.append(field, value);
  }
  for (const field of ['start', 'end']) {
    if (seconds(field) !== null) form.append(field, seconds(field));
  }
  $('status').textContent = 'Searching…';
  const response = await call('/v1/search', { method: 'POST', body: form });
  const { matches } = await response.json();
  $('matches').replaceChildren(...await Promise.all(matches.map((one) => item(one, asked))));
  $('status').textContent = matches.length
    ? `${matches.length} matches, the best first.` : 'Nobody in the gallery fits.';
  $('results').focus();
}

function choose(files) {
  if (!files.length) return;
  if (files !== $('file').files) $('file').files = files;
  $('preview').src = URL.createObjectURL(files[0]);
  $('preview').alt = 'The picture to search for';
  $('preview').hidden = false;
}

async function take(sample, blob) {
  const files = new DataTransfer();
  files.items.add(new File([blob], `drawn-${sample.number}.png`, { type: blob.type }));
  choose(files.files);
  document.querySelector(`[name=modality][value=${sample.modality}]`).checked = true;
}

async function samples() {
  if ($('sample-list').children.length) return;
  const drawn = await (await call('/v1/samples')).json();
  const buttons = await Promise.all(drawn.map(async (one) => {
    const blob = await (await call(`/v1/samples/${one.number}`)).blob();
    const label = `Take drawn person ${one.person}, ${one.modality}`;
    const made = button('', 'sample', label, () => take(one, blob));
    made.append(shown(blob, ''));
    return made;
  }));
  $('sample-list').replaceChildren(...buttons);
}

async function connect() {
  state.model = await (await call('/v1/model')).json();
  $('about').textContent = `Model ${state.model.model.slice(0, 12)}, version ${state.model.version}`;
  $('token-form').hidden = true;
  $('manage').hidden = $('go').disabled = false;
  if (!state.model.gallery) {
    $('manage').hidden = $('go').disabled = true;
    $('status').textContent = 'This service has no gallery to search in.';
  }
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
$('samples').ontoggle = () => samples().catch((error) => fail(error, $('error')));
$('search').onsubmit = (event) => { event.preventDefault(); busy($('go'), search); };
$('token-form').onsubmit = (event) => {
  event.preventDefault();
  state.token = $('token').value;
  sessionStorage.setItem('token', state.token);
  busy(event.submitter, connect);
};
connect().catch((error) => {
  $('about').textContent = 'Not connected.';
  fail(error, $('error'));
});
