// The description of the interface, from /openapi.json alone.

function element(tag, text, name) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

function table(title, rows) {
  if (!rows.length) return [];
  const list = element('dl');
  for (const [name, text] of rows) list.append(element('dt', name), element('dd', text));
  return [element('h3', title), list];
}

function resolve(schema, all) {
  return schema?.$ref ? all[schema.$ref.split('/').at(-1)] : schema ?? {};
}

function fields(schema, all) {
  const whole = resolve(schema, all);
  const own = resolve(whole.items ?? whole, all);
  return Object.entries(own.properties ?? {}).map(([name, one]) => {
    const needed = own.required?.includes(name) ? '' : ' (optional)';
    return [name, one.description + needed];
  });
}

function describe(path, method, call, all) {
  const made = element('section');
  const body = Object.values(call.requestBody?.content ?? {})[0]?.schema;
  const good = Object.values(call.responses['200'].content)[0].schema;
  made.append(
    element('h2', `${method.toUpperCase()} ${path}`),
    element('p', call.description),
    ...table('Parameters', (call.parameters ?? []).map((one) => [
      one.name, one.description + (one.required ? '' : ' (optional)')])),
    ...table('Form, multipart/form-data', body ? fields(body, all) : []),
    ...table('Answer', fields(good, all)),
    ...table('Errors, {"detail": one sentence}', Object.entries(call.responses)
      .filter(([status]) => status !== '200')
      .map(([status, one]) => [status, one.description])),
  );
  return made;
}

const about = document.getElementById('about');
try {
  const api = await (await fetch('/openapi.json')).json();
  about.textContent = `Version ${api.info.version}. ${api.info.description}`;
  for (const [path, calls] of Object.entries(api.paths)) {
    for (const [method, call] of Object.entries(calls)) {
      document.getElementById('calls').append(describe(path, method, call, api.components.schemas));
    }
  }
} catch {
  about.textContent = 'The description cannot be read. Is the service running?';
}
