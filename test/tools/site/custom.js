// Draws the diagrams of a page, in the colours of its theme.
(() => {
  const blocks = [...document.querySelectorAll('code.mermaid')];
  if (blocks.length === 0) return;
  const system = matchMedia('(prefers-color-scheme: dark)');
  const figures = blocks.map((code) => {
    const figure = document.createElement('figure');
    figure.className = 'diagram';
    const pre = code.closest('pre') ?? code;
    const text = [...code.childNodes].map((node) => node.textContent).join('');
    pre.replaceWith(figure);
    return { figure, text };
  });

  const isDark = () => {
    const { theme } = document.documentElement.dataset;
    return theme === 'dark' || (theme !== 'light' && system.matches);
  };

  let number = 0;
  async function draw() {
    // Boxes are as wide as their text in this font.
    const { fontFamily } = getComputedStyle(document.body);
    const dark = isDark();
    const themeVariables = dark
      ? { noteBkgColor: '#4a4a33', noteTextColor: '#f0f0e0', noteBorderColor: '#77775a' }
      : { noteBkgColor: '#fdf6dc', noteTextColor: '#333', noteBorderColor: '#d8cfa8' };
    const theme = dark ? 'dark' : 'neutral';
    mermaid.initialize({ startOnLoad: false, theme, fontFamily, themeVariables });
    for (const { figure, text } of figures) {
      const { svg } = await mermaid.render(`diagram${number++}`, text);
      figure.innerHTML = svg;
    }
  }

  const script = document.createElement('script');
  script.src = `${document.documentElement.dataset.base}assets/mermaid.js`;
  script.addEventListener('load', () => {
    draw();
    system.addEventListener('change', draw);
    new MutationObserver(draw).observe(document.documentElement, {
      attributeFilter: ['data-theme'],
    });
  });
  document.head.append(script);
})();
