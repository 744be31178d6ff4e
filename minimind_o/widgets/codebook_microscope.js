// The codes of an answer where the model wrote them: rows are codebooks, columns steps.
// Click a code to hear its frame; switch a codebook off to hear what it was good for.

const CELL = 22;
const HUES = ["#2a7f9e", "#e59500", "#d1495b", "#8a6bbd"];

function render({ model, el }) {
  el.classList.add("minimind-microscope");
  const codes = model.get("codes"); // [codebook][frame]
  const [numCodebooks, numFrames] = [codes.length, codes[0].length];
  const note = document.createElement("div");
  const scroller = document.createElement("div");
  scroller.style.overflowX = "auto";
  const table = document.createElement("table");
  table.style.borderCollapse = "collapse";
  scroller.append(table);
  const audio = document.createElement("audio");
  audio.controls = true;
  el.append(note, scroller, audio);
  note.textContent = "Click a code to hear its frame; a codebook's name to mute it.";

  const cells = new Map();
  const rows = codes.map((row, codebook) => {
    const line = table.insertRow();
    const head = line.insertCell();
    const mute = document.createElement("button");
    mute.className = "jupyter-button";
    mute.textContent = `codebook ${codebook}`;
    mute.onclick = () => {
      const muted = new Set(model.get("muted"));
      if (!muted.delete(codebook)) muted.add(codebook);
      model.set("muted", [...muted].sort());
      model.save_changes();
    };
    head.append(mute);
    for (let step = 1; step < numFrames + numCodebooks; step += 1) {
      const cell = line.insertCell();
      const frame = step - 1 - codebook;
      cell.style.cssText = `width:${CELL}px;min-width:${CELL}px;height:${CELL}px;
        text-align:center;font-size:9px;border:1px solid #fff;padding:0`;
      if (frame < 0 || frame >= numFrames) continue;
      cell.textContent = row[frame];
      cell.dataset.frame = frame;
      cell.dataset.codebook = codebook;
      cell.style.background = `${HUES[frame % HUES.length]}66`;
      cell.style.cursor = "pointer";
      cell.onclick = () => choose(frame, codebook, step);
      cells.set(`${codebook} ${frame}`, cell);
    }
    return { line, mute };
  });

  const choose = (frame, codebook, step) => {
    for (const cell of cells.values()) {
      const isOfFrame = Number(cell.dataset.frame) === frame;
      const isOfStep =
        Number(cell.dataset.frame) + Number(cell.dataset.codebook) + 1 === step;
      cell.style.outline = isOfFrame ? "2px solid #000" : isOfStep ? "2px dashed #888" : "";
    }
    note.textContent =
      `Code ${codes[codebook][frame]} of codebook ${codebook}, frame ${frame}, written in ` +
      `step ${step} (dashed). The frame (black) is whole after step ${frame + numCodebooks}.`;
    model.send({ kind: "frame", frame });
  };

  const show = () => {
    const muted = new Set(model.get("muted"));
    rows.forEach(({ line, mute }, codebook) => {
      line.style.opacity = muted.has(codebook) ? 0.3 : 1;
      mute.setAttribute("aria-pressed", String(muted.has(codebook)));
    });
    model.send({ kind: "whole" });
  };
  let address = "";
  const received = (message, buffers) => {
    if (message.kind !== "sound") return;
    URL.revokeObjectURL(address);
    address = URL.createObjectURL(new Blob([buffers[0]], { type: "audio/flac" }));
    audio.src = address;
    if (message.plays) audio.play().catch(() => {});
  };
  model.on("msg:custom", received);
  model.on("change:muted", show);
  show();
  return () => {
    model.off("msg:custom", received);
    model.off("change:muted", show);
    URL.revokeObjectURL(address);
  };
}

export default { render };
