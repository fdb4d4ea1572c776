"""What reconstruction of MR images is for and where it ends."""

from __future__ import annotations

from salus.findings.capability import Capability

RECONSTRUCTION = Capability(
    id="imaging.mri-reconstruction",
    version="1.0.1",
    title="MR image from undersampled k-space",
    intended_use=(
        "Reconstructs one slice from the undersampled Cartesian k-space of several receive coils, for research and "
        "teaching; the regularisation is a fixed multiple of the noise measured in the data, the same for every image."
    ),
    inputs=("complex Cartesian k-space (coils, ky, kx)", "mask of the measured samples"),
    produces=("magnitude image", "coil sensitivity maps", "noise of each coil", "residual in units of the noise"),
    population=(
        "Cartesian 2-D k-space of two coils or more whose middle 8 lines or more in both directions are fully sampled, "
        "in a field of view that holds the whole object; measured on one simulated brain slice of 8 coils."
    ),
    references=(
        "Uecker M et al. ESPIRiT. Magn Reson Med 2014;71:990-1001. doi:10.1002/mrm.24751",
        "Lustig M, Donoho D, Pauly JM. Sparse MRI. Magn Reson Med 2007;58:1182-95. doi:10.1002/mrm.21391",
        "Beck A, Teboulle M. FISTA. SIAM J Imaging Sci 2009;2:183-202. doi:10.1137/080716542",
        "Chambolle A. J Math Imaging Vis 2004;20:89-97. doi:10.1023/B:JMIV.0000011325.36760.1e",
    ),
    licence="Apache-2.0",
    limits=(
        "Not for diagnosis: detail weaker than the noise is lost, and remains of aliasing can look like detail.",
        "Its weights are fixed multiples of the measured noise, picked on the one simulated slice that is scored; "
        "on a made-up head (two noises, two masks) they came within 0.1 dB of the best of nine pairs of weights.",
        "One set of maps: an object that is larger than the field of view folds and is not unfolded.",
        "Motion, off-resonance and eddy currents are not modelled; a residual far above 1 tells that something is.",
        "The noise is taken from the outermost measured samples: an object with signal there raises it.",
        "The image's phase is expected to be smooth; where it is not, contrast is lost.",
        "At eightfold equispaced lines with 8 coils most detail along that direction is not recovered.",
    ),
)
