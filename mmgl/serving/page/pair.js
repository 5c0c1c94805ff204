// Two pictures side by side, and the places that make them alike.
import { $, busy, call, element, known, percent, shown, state } from './common.js';

let pair = null;

export function compare(asked, match, blob) {
  pair = { asked, match, blob };
  const frame = (id, picture, alt) => $(id).replaceChildren(
    picture ? shown(picture, alt) : element('div', 'no picture', 'noimage'));
  frame('pair-first', asked.file, 'The picture searched for');
  frame('pair-second', blob, `Picture of ${match.name}`);
  $('first-facts').textContent = `Searched for: ${asked.modality}`;
  $('second-facts').textContent = `Found: ${match.name}`;
  const { camera, time, person } = match.metadata;
  const facts = [
    ['Similarity', match.score.toFixed(3)],
    ['Probability', match.probability === null ? 'not calibrated' : percent(match.probability)],
    ['Person', person ?? 'not known'],
    ['Camera', camera ?? 'not known'],
    ['Time', time == null ? 'not known' : known({ time })],
  ];
  $('pair-facts').replaceChildren(...facts.flatMap(
    ([name, value]) => [element('dt', name), element('dd', value)]));
  $('pair-modality').value = match.metadata.modality ?? '';
  $('pair').querySelector('.error').hidden = true;
  const possible = state.model.explains && blob;
  $('why').hidden = !possible;
  $('pair-status').textContent = possible ? ''
    : `Where they agree is not available: ${blob ? 'this runtime does not show it.' : 'there is no picture.'}`;
  $('pair').showModal();
}

async function explain() {
  const { asked, match, blob } = pair;
  const modality = $('pair-modality').value;
  if (!modality) throw new Error('Choose which camera took the found picture.');
  const form = new FormData();
  form.append('first', asked.file);
  form.append('second', blob, match.name);
  form.append('first_modality', asked.modality);
  form.append('second_modality', modality);
  $('pair-status').textContent = 'Looking…';
  const found = await (await call('/v1/explain', { method: 'POST', body: form })).json();
  if (pair?.match !== match) return;
  const top = Math.max(...found.first.flat(), ...found.second.flat(), 1e-9);
  paint('pair-first', found.first, top);
  paint('pair-second', found.second, top);
  $('pair-status').textContent = `Where the pictures agree is orange. ${share('Left', found.first)} ${share('Right', found.second)}`;
}

// One small canvas over the picture, which the browser smooths.
function paint(id, places, top) {
  const canvas = element('canvas');
  canvas.width = places[0].length;
  canvas.height = places.length;
  const context = canvas.getContext('2d');
  const pixels = context.createImageData(canvas.width, canvas.height);
  places.flat().forEach((value, i) => {
    pixels.data.set([255, 120, 0, 200 * Math.max(value, 0) / top], 4 * i);
  });
  context.putImageData(pixels, 0, 0);
  $(id).querySelector('canvas')?.remove();
  $(id).append(canvas);
}

// For those who do not see the colours.
function share(side, places) {
  const parts = ['upper', 'middle', 'lower'];
  const sums = [0, 0, 0];
  places.forEach((line, i) => {
    for (const value of line) sums[Math.floor(3 * i / places.length)] += Math.max(value, 0);
  });
  const all = sums[0] + sums[1] + sums[2];
  if (!all) return `${side}: nowhere.`;
  return `${side}: ${parts.map((part, i) => `${percent(sums[i] / all)} ${part}`).join(', ')} third.`;
}

$('explain').onclick = () => busy($('explain'), explain);
$('close').onclick = () => $('pair').close();
