"""What the surgery wing can do and where it ends, for its cards. Light: imports nothing heavy."""

from __future__ import annotations

from salus.findings.capability import Capability

_NOT_A_DEVICE = "Not a medical device: for teaching and research, and proposals to a professional who decides."

MESH = Capability(
    id="surgery.mesh",
    version="1.0.0",
    title="Anatomy model for augmented reality",
    intended_use=(
        "Turn a label volume into closed surfaces to look at and turn on a screen or a headset (GLB, USDZ), each with "
        "its measured distance from the voxels it came from."
    ),
    inputs=("label volume (NIfTI, LPS geometry known)", "names and colours of the labels, if wished"),
    produces=("GLB (glTF 2.0)", "USDZ", "Hausdorff and mean surface error in mm", "volume of surface and of voxels"),
    population=(
        "Label volumes on a grid of right angles with patient orientation, up to 3 million boundary cells a structure; "
        "measured on made-up shapes and on labels of phantoms and MR slices."
    ),
    references=(
        "Doi A, Koide A. IEICE Trans 1991;E74:214-224",
        "Taubin G. SIGGRAPH 1995:351-8. doi:10.1145/218380.218473",
        "Garland M, Heckbert PS. SIGGRAPH 1997:209-16. doi:10.1145/258734.258849",
        "Khronos Group. glTF 2.0 (ISO/IEC 12113:2022); Pixar. OpenUSD, USDZ",
    ),
    licence="Apache-2.0",
    limits=(
        _NOT_A_DEVICE + " Not for navigation.",
        "The error stated is that of the surface against the labelled voxels; how true the labels are is not known.",
        "Between samples the greatest distance can be more by the figure stated beside it.",
        "Structures are modelled one by one: neighbours may overlap or gape by their errors, surfaces cross.",
        "Sheared voxels, fractions instead of labels, and volumes without orientation are refused.",
    ),
)

PLANNING = Capability(
    id="surgery.planning",
    version="1.0.1",
    title="Straight paths to a target past critical structures",
    intended_use=(
        "Show which straight paths from the skin to a target keep their margins from labelled critical structures, "
        "with the predicted registration error, or which structure is in the way and by how much when there is none."
    ),
    inputs=("label volume", "target", "critical structures with margins", "fiducials and their localisation error"),
    produces=("paths by clearance, length and angle", "predicted target registration error", "no safe path, and why"),
    population=(
        "Rigid anatomy, point-based registration with three fiducials or more that are not on one line, localisation "
        "error small against their spread and alike in all directions; measured on made-up scenes of known geometry."
    ),
    references=(
        "Fitzpatrick JM, West JB, Maurer CR. IEEE Trans Med Imaging 1998;17:694-702. doi:10.1109/42.736021",
        "Fitzpatrick JM. Proc SPIE 2009;7261:726102. doi:10.1117/12.813601",
        "Arun KS, Huang TS, Blostein SD. IEEE Trans Pattern Anal Mach Intell 1987;9:698-700",
    ),
    licence="Apache-2.0",
    limits=(
        _NOT_A_DEVICE,
        "What is not labelled is not avoided, and labels are trusted within the stated error.",
        "Soft tissue that moves, a needle that bends and a localisation error that is biased are not modelled.",
        "Entries are sampled and bounds are cautious: a path that keeps its margins by little may be missed.",
        "With k = 2 the allowance covers the error in 95 % of cases or more at any one point, not at all at once.",
        "Outside the body the instrument is not followed.",
    ),
)

ARM = Capability(
    id="surgery.arm",
    version="1.0.0",
    title="Simulated arm with a remote centre of motion",
    intended_use=(
        "Show whether an arm of the da Vinci patient-side kind, its remote centre at the entry, reaches a target "
        "within its joint limits, and with which joint values. Simulation only: never sent to hardware."
    ),
    inputs=("pose of the tip, or a planned path", "placement of the arm"),
    produces=("joint values", "deviation of the shaft from the remote centre", "unreachable, and why"),
    population="The kinematics of tables/psm.json (da Vinci Classic/S patient-side manipulator, large needle driver).",
    references=("SurRoL, robots/psm.py (MIT): Denavit-Hartenberg table and joint limits",),
    licence="Apache-2.0",
    limits=(
        "Simulation only: there is no code here that talks to a device.",
        _NOT_A_DEVICE,
        "Kinematics only: no forces, no dynamics, no collision of the arm outside the body.",
        "Nominal geometry: a real arm's calibration and play are not in it.",
    ),
)
