"""How a mask is written in a cell: run lengths, COCO's strings, polygons, patches."""
