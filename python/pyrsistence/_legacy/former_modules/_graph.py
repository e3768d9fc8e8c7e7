"""Where the classes of graphs was: pickles name it."""

from pyrsistence._graphs.classes import EMDiGraph as EMDiGraph
from pyrsistence._graphs.classes import EMGraph as EMGraph
from pyrsistence._graphs.classes import EMMultiDiGraph as EMMultiDiGraph
from pyrsistence._graphs.classes import EMMultiGraph as EMMultiGraph
