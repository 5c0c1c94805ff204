// The gallery: list, add, replace and delete.
import { $, busy, button, call, element, known, state, words } from './common.js';

let seen = 0;

function filter() {
  const query = new URLSearchParams();
  for (const field of ['person', 'camera']) {
    for (const value of words($(`show-${field}`).value)) query.append(field, value);
  }
  return query;
}

export async function list(more) {
  const offset = more ? seen : 0;
  const query = filter();
  const persons = query.getAll('person');
  const cameras = query.getAll('camera');
  query.append('offset', offset);
  query.append('limit', 50);
  const page = await (await call(`/v1/persons?${query}`)).json();
  const rows = page.persons.map(row);
  if (more) $('persons').append(...rows); else $('persons').replaceChildren(...rows);
  seen = offset + rows.length;
  $('count').textContent = persons.length || cameras.length
    ? `${page.count} pictures fit.` : `${page.count} pictures in the gallery.`;
  $('more').hidden = seen >= page.count;
  $('delete-person').hidden = !state.model.may_change || persons.length !== 1 || cameras.length > 0 || !page.count;
  $('delete-person').textContent = `Delete all pictures of ${persons[0]}`;
}

function row(person) {
  const made = element('li');
  made.append(element('span', [person.name, known(person.metadata)].filter(Boolean).join(' · ')));
  if (!state.model.may_change) return made;
  const actions = element('span', undefined, 'actions');
  actions.append(
    button('Replace', 'plain', `Replace ${person.name}`, () => replace(person)),
    button('Delete', 'plain', `Delete ${person.name}`, () => remove('name', person.name, person.name)),
  );
  made.append(actions);
  return made;
}

async function remove(field, value, what) {
  if (!confirm(`Delete ${what} for good?`)) return;
  await call(`/v1/persons?${new URLSearchParams([[field, value]])}`, { method: 'DELETE' });
  await list(false);
  $('count').tabIndex = -1;
  $('count').focus();
}

async function store(files, names, facts, sure) {
  const form = new FormData();
  for (const file of files) form.append('images', file);
  for (const name of names) form.append('names', name);
  for (const [field, value] of Object.entries(facts)) {
    if (value != null && value !== '') form.append(field, value);
  }
  form.append('replace', sure);
  try {
    await call('/v1/persons', { method: 'POST', body: form });
  } catch (error) {
    if (error.status !== 409 || !confirm(`${error.message}. Replace?`)) throw error;
    form.set('replace', true);
    await call('/v1/persons', { method: 'POST', body: form });
  }
  await list(false);
}

async function replace(person) {
  let { modality } = person.metadata;
  if (!modality) throw new Error(`It is not known which camera took ${person.name}: delete it and add it anew.`);
  const file = await ask();
  if (!file || !confirm(`Replace ${person.name} by ${file.name}?`)) return;
  const { camera, time } = person.metadata;
  await store([file], [person.name], { modality, person: person.metadata.person, camera, time }, true);
}

function ask() {
  return new Promise((resolve) => {
    const field = $('replace-file');
    field.value = '';
    field.onchange = () => resolve(field.files[0]);
    field.oncancel = () => resolve(null);
    field.click();
  });
}

$('add').onsubmit = (event) => {
  event.preventDefault();
  busy(event.submitter, async () => {
    const files = [...$('add-files').files];
    await store(files, files.map((file) => file.name), {
      modality: $('add-modality').value,
      person: $('add-person').value.trim(),
      camera: $('add-camera').value.trim(),
      time: Date.now() / 1000,
    }, false);
    $('add').reset();
  });
};
$('show').onsubmit = (event) => { event.preventDefault(); busy(event.submitter, () => list(false)); };
$('more').onclick = () => busy($('more'), () => list(true));
$('delete-person').onclick = () => busy($('delete-person'), () => {
  const [person] = filter().getAll('person');
  return remove('person', person, `all pictures of ${person}`);
});
