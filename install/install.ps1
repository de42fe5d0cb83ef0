<#
.SYNOPSIS
Installs EXAI for the user who runs it, without administrator rights: the two programs, and their directory in PATH.
.DESCRIPTION
Running it again updates them, also while they run. From an unpacked archive it installs what lies beside it; alone
(irm ... | iex) it downloads the archive of its release. It runs in Windows PowerShell 5.1 and in PowerShell 7.
.PARAMETER Dir
Where to install; %LOCALAPPDATA%\Programs\exai, or EXAI_INSTALL_DIR.
.PARAMETER NoPath
Leave PATH as it is.
.PARAMETER Adopt
Also take over the MCP servers of the clients found, without questions.
.PARAMETER NoPreview
Do not show what that would change.
.PARAMETER Service
Also start the daemon at each login, without a window.
#>
param(
    [string] $Dir = $env:EXAI_INSTALL_DIR,
    [switch] $NoPath,
    [switch] $Adopt,
    [switch] $NoPreview,
    [switch] $Service
)

$unknown = $args -join ' '
$version = '@version@'
$repository = '@repository@'
$programs = @('exai-daemon.exe', 'exai-shim.exe')
$others = @('uninstall.ps1', 'uninstall.cmd', 'LICENSE', 'README.md', 'CHANGELOG.md', 'THIRD-PARTY-LICENSES.txt', 'sbom.cdx.json')

# Downloads and unpacks the archive of this release into $Into; returns its folder.
function Get-Release([string] $Into) {
    $base = $env:EXAI_DOWNLOAD_URL
    if (-not $base) {
        if (-not $repository) {
            throw 'The programs are not beside this script: unpack the whole archive and run install.ps1 in it.'
        }
        $base = "$repository/releases/download/v$version"
    }
    # Windows on arm64 runs programs for x64.
    $folder = "exai-$version-windows-x64"
    $archive = Join-Path $Into "$folder.zip"
    $sums = Join-Path $Into 'SHA256SUMS'
    [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
    Write-Host "Downloading $base/$folder.zip"
    Invoke-WebRequest -UseBasicParsing -Uri "$base/SHA256SUMS" -OutFile $sums
    $line = @(Get-Content -LiteralPath $sums | Where-Object { $_ -match "^[0-9a-f]{64} [ *]$([regex]::Escape("$folder.zip"))$" })
    if ($line.Count -ne 1) { throw "Release $version has no archive for Windows." }
    Invoke-WebRequest -UseBasicParsing -Uri "$base/$folder.zip" -OutFile $archive
    $found = (Get-FileHash -Algorithm SHA256 -LiteralPath $archive).Hash.ToLowerInvariant()
    if ($found -ne $line[0].Substring(0, 64)) { throw "What was downloaded is damaged: its SHA-256 is $found." }
    Expand-Archive -LiteralPath $archive -DestinationPath $Into
    return (Join-Path $Into $folder)
}

# Puts a file in its place. A program that runs cannot be overwritten, but renamed: it goes on, and its file is deleted
# by a later installation.
function Set-ProgramFile([string] $From, [string] $To) {
    $name = Split-Path -Leaf $To
    $parent = Split-Path -Parent $To
    [IO.File]::Copy($From, "$To.new", $true)
    Unblock-File -LiteralPath "$To.new"
    Get-ChildItem -LiteralPath $parent -Filter "$name.old-*" | Remove-Item -Force -ErrorAction SilentlyContinue
    $old = "$To.old-$([Guid]::NewGuid().ToString('N').Substring(0, 8))"
    $hadOne = Test-Path -LiteralPath $To
    if ($hadOne) { [IO.File]::Move($To, $old) }
    try {
        [IO.File]::Move("$To.new", $To)
    } catch {
        if ($hadOne) { [IO.File]::Move($old, $To) }
        throw
    }
    if ($hadOne) { Remove-Item -LiteralPath $old -Force -ErrorAction SilentlyContinue }
}

# Adds a directory to the user's PATH as the registry has it: with its variables (%USERPROFILE%) as they are written.
function Add-ToPath([string] $Entry) {
    $key = [Microsoft.Win32.Registry]::CurrentUser.CreateSubKey('Environment')
    try {
        $before = [string] $key.GetValue('Path', '', [Microsoft.Win32.RegistryValueOptions]::DoNotExpandEnvironmentNames)
        $present = $before.Split(';') | Where-Object { [Environment]::ExpandEnvironmentVariables($_).TrimEnd('\') -eq $Entry.TrimEnd('\') }
        if (-not $present) {
            $kind = [Microsoft.Win32.RegistryValueKind]::ExpandString
            if (@($key.GetValueNames()) -contains 'Path') { $kind = $key.GetValueKind('Path') }
            # A semicolon at the end stays one, so that uninstalling gives back what was there.
            if ($before -eq '' -or $before.EndsWith(';')) { $after = "$before$Entry;" } else { $after = "$before;$Entry" }
            $key.SetValue('Path', $after, $kind)
            Send-EnvironmentChange
            Write-Host '  PATH: the variable of your user'
        }
    } finally {
        $key.Close()
    }
    if (($env:Path -split ';') -notcontains $Entry) { $env:Path = "$env:Path;$Entry" }
}

# Tells running programs, Explorer above all, that the variables have changed. Setting and removing a variable that does
# not exist does that, without a compiler.
function Send-EnvironmentChange {
    $name = "EXAI_$([Guid]::NewGuid().ToString('N'))"
    [Environment]::SetEnvironmentVariable($name, '1', 'User')
    [Environment]::SetEnvironmentVariable($name, $null, 'User')
}

# The entry in "Installed apps", with what uninstalls.
function Add-InstalledApp {
    $key = [Microsoft.Win32.Registry]::CurrentUser.CreateSubKey('Software\Microsoft\Windows\CurrentVersion\Uninstall\EXAI')
    try {
        $script = Join-Path $Dir 'uninstall.ps1'
        $command = "powershell.exe -NoProfile -ExecutionPolicy Bypass -File `"$script`""
        $bytes = (Get-ChildItem -LiteralPath $Dir -Recurse -File | Measure-Object -Property Length -Sum).Sum
        $key.SetValue('DisplayName', 'EXAI')
        $key.SetValue('DisplayVersion', $version)
        $key.SetValue('DisplayIcon', (Join-Path $Dir 'exai-daemon.exe'))
        $key.SetValue('Publisher', 'The EXAI authors')
        $key.SetValue('InstallLocation', $Dir)
        $key.SetValue('UninstallString', $command)
        $key.SetValue('QuietUninstallString', $command)
        $key.SetValue('EstimatedSize', [int] ($bytes / 1024), [Microsoft.Win32.RegistryValueKind]::DWord)
        $key.SetValue('NoModify', 1, [Microsoft.Win32.RegistryValueKind]::DWord)
        $key.SetValue('NoRepair', 1, [Microsoft.Win32.RegistryValueKind]::DWord)
    } finally {
        $key.Close()
    }
}

# Runs the daemon's program with some words, and leaves its exit code in $LASTEXITCODE. Its output is not captured, by this
# function or its callers: it goes to the console in its own encoding, and nothing waits for a daemon it starts.
function Invoke-Daemon([string[]] $Words) {
    $ErrorActionPreference = 'Continue'
    & $daemon @Words
}

# The same without its output.
function Invoke-Quietly([string[]] $Words) {
    $ErrorActionPreference = 'Continue'
    & $daemon @Words 2>&1 | Out-Null
}

# A step of the program itself. What it cannot do does not undo the installation.
function Invoke-Step([string[]] $Words) {
    Write-Host ''
    Write-Host "> exai-daemon $($Words -join ' ')"
    Invoke-Daemon $Words
    if ($LASTEXITCODE -ne 0) { Write-Host "(that ended with exit code $LASTEXITCODE; the programs are installed all the same)" }
}

# Everything in a function: run by iex, the preferences below must not stay in the session.
function Install-Exai {
    Set-StrictMode -Version 2.0
    $ErrorActionPreference = 'Stop'
    $ProgressPreference = 'SilentlyContinue'
    if ($unknown) { throw "$unknown is not known; Get-Help $PSCommandPath -Full shows what is." }
    if ($env:OS -ne 'Windows_NT') { throw 'install.ps1 is for Windows; use install.sh.' }
    if (-not $Dir) { $Dir = Join-Path $env:LOCALAPPDATA 'Programs\exai' }
    $Dir = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Dir)
    if ($Dir.Contains(';')) { throw "The directory must not have a semicolon in its name, for PATH: $Dir" }
    $daemon = Join-Path $Dir 'exai-daemon.exe'
    $temporary = $null
    try {
        $source = $PSScriptRoot
        if (-not $source -or -not (Test-Path -LiteralPath (Join-Path $source 'exai-daemon.exe'))) {
            $temporary = Join-Path ([IO.Path]::GetTempPath()) "exai-$([Guid]::NewGuid().ToString('N'))"
            New-Item -ItemType Directory -Path $temporary | Out-Null
            $source = Get-Release $temporary
        }
        $updates = Test-Path -LiteralPath $daemon
        if ($updates) {
            # Its calls finish. The next window starts the daemon of this version.
            Invoke-Quietly @('stop')
            $code = $LASTEXITCODE
            if ($code -eq 0) { Write-Host 'No daemon of the version before runs now; the next window starts this one.' }
            elseif ($code -ne 3) { Write-Host 'The daemon of the version before could not be stopped: run exai-daemon stop.' }
        }
        New-Item -ItemType Directory -Force -Path $Dir | Out-Null
        foreach ($name in $programs) { Set-ProgramFile (Join-Path $source $name) (Join-Path $Dir $name) }
        foreach ($name in $others) {
            $file = Join-Path $source $name
            if ((Test-Path -LiteralPath $file) -and $source -ne $Dir) {
                [IO.File]::Copy($file, (Join-Path $Dir $name), $true)
                Unblock-File -LiteralPath (Join-Path $Dir $name)
            }
        }
        $docs = Join-Path $source 'docs'
        if ((Test-Path -LiteralPath $docs) -and $source -ne $Dir) { Copy-Item -LiteralPath $docs -Destination $Dir -Recurse -Force }
        Invoke-Daemon @('--version')
        if ($LASTEXITCODE -ne 0) { throw "$daemon does not start here: it needs Windows 10 or later, 64 bit." }
        Write-Host "  installed in $Dir"
        if (-not $NoPath) { Add-ToPath $Dir }
        Add-InstalledApp
        if ($Adopt) { Invoke-Step @('adopt', '--yes') } elseif (-not $NoPreview) { Invoke-Step @('adopt', '--dry-run') }
        if ($Service) { Invoke-Step @('service', 'install') }
        Write-Host ''
        if (-not $Adopt) { Write-Host 'Take over the MCP servers of your clients:  exai-daemon adopt' }
        Write-Host "Uninstall:  in Settings, Installed apps, or with $(Join-Path $Dir 'uninstall.cmd')"
    } finally {
        if ($temporary) { Remove-Item -LiteralPath $temporary -Recurse -Force -ErrorAction SilentlyContinue }
    }
}

Install-Exai
